import { constants } from 'node:os'
import type { CommandRecord } from '../api/resources.ts'

/** Our own errors, as ssh has it: nobody knows how, or whether, the command ran. */
export const ownErrorExitCode = 255
/** A wrong command line. */
export const usageExitCode = 2
/** As timeout(1). */
const timedOutExitCode = 124
/** 128 + SIGINT. */
export const cancelledExitCode = 130

/** The table for `--help`. */
export const exitCodeHelp = `
Exit codes:
  N       the command's own exit code
  128+N   signal N ended the command
  124     the command ran (or was silent) for too long
  126     its program may not be executed; 127: it was not found (stderr says so)
  130     the command was cancelled, such as by Ctrl-C
  255     our own error; or the command was refused, interrupted, lost, or expired before it began
  2       wrong use of this program
Of several commands, the highest of their codes.`

/** What a shell is told about a command; 0 for one that has not ended. */
function exitCodeOf({ state, result }: Pick<CommandRecord, 'state' | 'result'>): number {
  switch (state) {
    case 'queued':
    case 'posted':
    case 'accepted':
    case 'succeeded':
      return 0
    case 'failed':
      return exitCodeOfFailure(result)
    case 'timed-out':
      return timedOutExitCode
    case 'cancelled':
      return cancelledExitCode
    case 'refused':
    case 'interrupted':
    case 'expired':
    case 'lost':
      return ownErrorExitCode
  }
}

/** The highest, so that what we do not know (255) outweighs what we know. */
export function worstExitCode(commands: readonly CommandRecord[]): number {
  return Math.max(0, ...commands.map(exitCodeOf))
}

/** A failure must never look like success, whatever the instance says. */
function exitCodeOfFailure(result: CommandRecord['result']): number {
  if (result?.exitCode !== undefined) return result.exitCode & 0xff || ownErrorExitCode
  const signals = Object.entries(constants.signals)
  const signal = signals.find(([name]) => name === result?.signal)
  return signal === undefined ? ownErrorExitCode : 128 + signal[1]
}
