import type { Readable, Writable } from 'node:stream'
import type { World } from '../../protocol/world.ts'

/** What a command of the CLI gets from the process around it. Production hands in the process's own; a test its own. */
export interface Terminal {
  stdin: Readable & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown }
  stdout: Writable & { isTTY?: boolean }
  stderr: Writable & { isTTY?: boolean }
  env: Readonly<Record<string, string | undefined>>
  isRoot: boolean
  /** Calls back at each Ctrl-C until disposed; meanwhile Ctrl-C does not end the process. */
  onInterrupt: (listener: () => void) => Disposable
  /** Calls back when somebody asks this process to end (SIGTERM, Ctrl-C), until disposed. */
  onStop: (listener: () => void) => Disposable
  world: World
}

/** Writes all of it, and resolves when the stream has taken it, which is the back-pressure. */
export async function writeAll(
  stream: Terminal['stdout'],
  bytes: Uint8Array | string,
): Promise<void> {
  if (bytes.length === 0) return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  stream.write(bytes, (error) => {
    if (error) reject(error)
    else resolve()
  })
  await promise
}

/** Whoever read our output has gone, as in `run ... | head -1`. */
export function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}
