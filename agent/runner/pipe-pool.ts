import { execFile } from 'node:child_process'
import { chownSync, closeSync, constants, openSync, rmSync, unlinkSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/**
 * Makes real pipes. Node gives a child socket pairs, on which `echo oops > /dev/stderr` fails (ENXIO), and which some
 * shells take for a network login. A FIFO that is opened and unlinked is a pipe; Node cannot make one, `mkfifo` can,
 * so some are kept ready.
 */
export interface PipePool {
  /** A pipe that this process reads. Its file belongs to `owner`, who may open it again as /dev/stdout. */
  toRead: (owner: number) => Promise<Pipe>
  /** A pipe that this process writes. */
  toWrite: (owner: number) => Promise<Pipe>
}

/** File descriptors of the two ends; the child's is to be closed once the child has it. */
export interface Pipe {
  ours: number
  childs: number
}

/** How many are made at once, and kept ready. */
const batchSize = 32

/** `directory` is emptied first, and belongs to the pool alone. */
export async function createPipePool(directory: string): Promise<PipePool> {
  rmSync(directory, { recursive: true, force: true })
  await mkdir(directory, { mode: 0o700 })
  const ready: string[] = []
  let made = 0
  let making: Promise<void> | undefined

  const makeMore = async () => {
    const paths = Array.from({ length: batchSize }, (_, index) =>
      join(directory, `${made + index}`),
    )
    made += batchSize
    try {
      await promisify(execFile)('mkfifo', ['-m', '600', '--', ...paths])
      ready.push(...paths)
    } finally {
      making = undefined
    }
  }

  const take = async (owner: number): Promise<string> => {
    while (ready.length === 0) await (making ??= makeMore())
    const path = ready.pop() ?? ''
    // Tops up beside the work; who finds none ready meets the error of making them.
    if (ready.length < batchSize / 2) (making ??= makeMore()).catch(() => {})
    if (owner !== process.geteuid?.()) chownSync(path, owner, -1)
    return path
  }

  await (making ??= makeMore())
  return {
    toRead: async (owner) => openEnds(await take(owner), 'ours'),
    toWrite: async (owner) => openEnds(await take(owner), 'childs'),
  }
}

/** Our end does not block; the child's does, as programs expect. */
function openEnds(path: string, reader: 'ours' | 'childs'): Pipe {
  // Held open both ways for a moment, so that opening either end does not wait for the other.
  const both = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  try {
    if (reader === 'ours') {
      const ours = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      return { ours, childs: openSync(path, constants.O_WRONLY) }
    }
    const ours = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
    return { ours, childs: openSync(path, constants.O_RDONLY) }
  } finally {
    closeSync(both)
    unlinkSync(path)
  }
}
