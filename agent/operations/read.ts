import { rm } from 'node:fs/promises'
import type { ReadOperation } from '../../protocol/messages/operations.ts'
import type { World } from '../../protocol/world.ts'
import type { OutputView } from '../runner/output-view.ts'
import { listSegments, segmentBytes, segmentPath } from '../runner/spool-segments.ts'
import { createSpoolWriter } from '../runner/spool-writer.ts'
import { becomeOther, readAsUser } from './as-user.ts'
import type { OperationHandler, OperationsOptions } from './begin-command.ts'
import { type Outcome, runLocally } from './local-command.ts'
import type { CommandToRun, RunningCommand } from './operation.ts'
import { readWholeFile } from './read-file.ts'

/**
 * Sends a file, or a range of it. It goes through the command's spool, so that it is read once, at the pace at which
 * the return queue takes it, and what is sent is what was digested.
 */
export function createRead(
  options: OperationsOptions,
  world: World,
): OperationHandler<ReadOperation> {
  const begin = (toRun: CommandToRun, fields: ReadOperation, fromStart: boolean) => {
    const pace = createPace()
    const running = runLocally(toRun, fields.path, world, async (signal, view) => {
      await clearSpool(toRun.directory)
      return readIntoSpool(toRun, fields, options, { pace, signal, view })
    })
    return paced(running, pace, fromStart)
  }
  return {
    begin: async (toRun, fields) => begin(toRun, fields, true),
    // The file is read again, from its beginning; should it have changed meanwhile, the digest tells the controller.
    resume: async (toRun, fields) => ({
      kind: 'running-or-ended',
      running: begin(toRun, fields, false),
    }),
  }
}

interface Reading {
  pace: Pace
  signal: AbortSignal
  view: OutputView
}

async function readIntoSpool(
  { command, directory }: CommandToRun,
  { path, offset, limitBytes, user }: ReadOperation,
  { spoolLimitBytes }: OperationsOptions,
  { pace, signal, view }: Reading,
): Promise<Outcome> {
  let problem: unknown
  const spool = createSpoolWriter({
    directory,
    limitBytes: spoolLimitBytes,
    segmentBytes: Math.min(segmentBytes, Math.ceil(spoolLimitBytes / 4)),
    onWritten: view.grow,
    onRoom: pace.goOn,
    onFailure: (error) => {
      problem = error
      pace.goOn()
    },
  })
  pace.follow(spool.discard)
  spool.append('content', new Uint8Array())
  const take = async (bytes: Uint8Array) => {
    if (problem !== undefined) throw problem
    spool.append('content', bytes)
    while (spool.isFull()) await pace.room(signal)
  }
  try {
    const range = { path, offset, limitBytes: limitBytes ?? null }
    const other = await becomeOther(user ?? null)
    const { size } =
      other === null
        ? await readWholeFile(range, take, signal)
        : await readAsUser(other, command.id, range, take, signal)
    const tallies = await spool.finish()
    if (problem !== undefined) throw problem
    return { ...tallies, answer: { size, sha256: tallies.streams.content?.sha256 } }
  } finally {
    await spool.finish()
  }
}

/** Holds the reading back while the spool is full, and tells the spool what has been sent. */
interface Pace {
  room: (signal: AbortSignal) => Promise<void>
  goOn: () => void
  follow: (discard: (belowOffset: number) => void) => void
  discard: (belowOffset: number) => void
}

function createPace(): Pace {
  let waiting: (() => void) | undefined
  let discard: ((belowOffset: number) => void) | undefined
  let discardedOffset = 0
  const goOn = () => waiting?.()
  return {
    goOn,
    room: async (signal) => {
      signal.throwIfAborted()
      const { promise, resolve } = Promise.withResolvers<void>()
      const wake = () => resolve()
      waiting = wake
      signal.addEventListener('abort', wake)
      await promise
      signal.removeEventListener('abort', wake)
      signal.throwIfAborted()
    },
    follow: (tellSpool) => {
      discard = tellSpool
      tellSpool(discardedOffset)
    },
    discard: (belowOffset) => {
      discardedOffset = Math.max(discardedOffset, belowOffset)
      discard?.(discardedOffset)
    },
  }
}

function paced(running: RunningCommand, pace: Pace, fromStart: boolean): RunningCommand {
  return {
    ...running,
    output: (fromOffset, signal) => {
      // After a restart, what was sent before is not waited for a second time, or the spool would fill up with it.
      if (!fromStart) pace.discard(fromOffset)
      return running.output(fromOffset, signal)
    },
    discardOutput: async (belowOffset) => {
      await running.discardOutput(belowOffset)
      pace.discard(belowOffset)
    },
  }
}

async function clearSpool(directory: string): Promise<void> {
  for (const start of await listSegments(directory)) {
    await rm(segmentPath(directory, start), { force: true })
  }
}
