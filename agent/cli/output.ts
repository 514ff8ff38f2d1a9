import { SaharaAgentError } from '../../protocol/errors.ts'
import { exitCodeOf, exitCodes } from '../exit-code.ts'

/**
 * Writes all of it to standard output, and resolves when that has taken it. Whatever a command line answers goes through
 * here, so that all of them end in the same way when nobody reads it any more.
 *
 * @throws what `reportError` knows: whoever read our output has gone, as in `audit show | head -1`.
 */
export async function print(text: string): Promise<void> {
  if (text === '') return
  listenForErrors()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  process.stdout.write(text, (error) => {
    if (error) reject(error)
    else resolve()
  })
  await promise
}

/** The callback of a write tells of a broken pipe; the event that comes besides would end the process with a stack. */
function listenForErrors(): void {
  if (process.stdout.listenerCount('error') === 0) process.stdout.on('error', () => undefined)
}

/** Tells a person what ended a program, and gives its exit code. */
export function reportError(error: unknown): number {
  if (isBrokenPipe(error)) return exitCodes.brokenPipe
  const code = error instanceof SaharaAgentError ? ` (${error.code})` : ''
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}${code}\n`)
  return exitCodeOf(error)
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}
