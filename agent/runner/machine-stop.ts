import { readFileSync } from 'node:fs'
import type { Result } from '../../protocol/messages/replies.ts'

/** What is known when a command ends. */
export interface StopSigns {
  /** The runner itself was told to end, by a signal. */
  isRunnerTold: boolean
  /** The machine is on its way down, and every process is told to end. */
  isMachineStopping: boolean
}

/** Exit codes above this name a signal, by the shell's custom: 143 is SIGTERM. */
const signalCodes = 128

/**
 * A machine that is shut down in order tells every process to end, the commands and their runner alike. A command that
 * ends of that has not failed: it was interrupted, and the next boot may run it again if it is idempotent. Pure.
 */
export function judgeEnd(result: Result, { isRunnerTold, isMachineStopping }: StopSigns): Result {
  if (result.state !== 'failed') return result
  const { exitCode, signal } = result
  const isOfSignal = signal !== undefined || (exitCode ?? 0) > signalCodes
  const hasRun = signal !== undefined || exitCode !== undefined
  if (!(isMachineStopping ? hasRun : isRunnerTold && isOfSignal)) return result
  const message = 'it was ended together with what ran it: the guest was shut down, or rebooted'
  return { ...result, state: 'interrupted', reason: { code: 'shutdown', message } }
}

/**
 * Whether systemd has come to its last act, in which it signals all that still lives. A command of ours may be told, and
 * be gone, before the runner is.
 *
 * @see bootup(7), "System Manager Shutdown": PID 1 becomes systemd-shutdown; proc_pid_comm(5): 15 characters of a name
 */
export function isShuttingDown(): boolean {
  try {
    return readFileSync('/proc/1/comm', 'latin1').startsWith('systemd-shutdow')
  } catch {
    return false
  }
}
