import { type ErrorCode, SaharaAgentError } from '../protocol/errors.ts'

/** What the programs' exit codes mean; `--help` shows this table. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  misused: 2,
  notRunning: 3,
  locked: 4,
  /** 128 + SIGPIPE. */
  brokenPipe: 141,
} as const

export const exitCodeHelp = `
Exit codes:
  0    done; for run: stopped by SIGTERM or SIGINT
  1    failed; the error on standard error says what to do
  2    wrong usage, or a configuration that is not valid
  3    no agent is running on this state directory (status)
  4    another agent uses this state directory (run)
  141  nobody reads its output any more`

/** The exit code for an error that ended a program. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof SaharaAgentError)) return exitCodes.failed
  return codes.get(error.code) ?? exitCodes.failed
}

const codes: ReadonlyMap<ErrorCode, number> = new Map([
  ['ERR_CONFIG_INVALID', exitCodes.misused],
  ['ERR_AGENT_NOT_RUNNING', exitCodes.notRunning],
  ['ERR_STATE_LOCKED', exitCodes.locked],
])
