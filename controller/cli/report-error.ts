import { SaharaAgentError } from '../../protocol/errors.ts'
import { ControllerRefusedError, UsageError } from './errors.ts'
import { ownErrorExitCode, usageExitCode } from './exit-code.ts'
import { printable } from './output/printable.ts'
import type { Terminal } from './terminal.ts'
import { isBrokenPipe, writeAll } from './terminal.ts'

/** 128 + SIGPIPE: whoever read our output has gone, as in `run ... | head`. */
const brokenPipeExitCode = 141

/**
 * Tells a person (or, with `json`, a program) about an error on stderr, and gives its exit code.
 * The one place where an error becomes either.
 */
export async function reportError(
  error: unknown,
  { stderr }: Pick<Terminal, 'stderr'>,
  json: boolean,
): Promise<number> {
  if (isBrokenPipe(error)) return brokenPipeExitCode
  const { code, message } = describeError(error)
  const text = json ? JSON.stringify({ code, message }) : `error: ${printable(message)} (${code})`
  try {
    await writeAll(stderr, `${text}\n`)
  } catch {
    // Nobody is left to hear that stderr is gone as well.
  }
  return isWrongUse(error) ? usageExitCode : ownErrorExitCode
}

const untakable: ReadonlySet<string> = new Set(['ERR_BODY_TOO_LARGE', 'ERR_REQUEST_INVALID'])

/** What the API cannot take is what the command line said. */
function isWrongUse(error: unknown): boolean {
  if (error instanceof ControllerRefusedError) return untakable.has(error.problemCode)
  return error instanceof UsageError
}

/** What a person hears of it, and the stable code (docs/errors.md) that goes with it. */
export function describeError(error: unknown): { code: string; message: string } {
  if (error instanceof ControllerRefusedError) {
    return { code: error.problemCode, message: error.message }
  }
  if (error instanceof SaharaAgentError) return { code: error.code, message: error.message }
  const message = error instanceof Error ? error.message : String(error)
  return { code: nodeCode(error) ?? 'ERR_INTERNAL', message }
}

function nodeCode(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return typeof code === 'string' ? code : null
}
