import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { World } from '../protocol/world.ts'
import { describeError, type Log } from './log.ts'

/**
 * Tells systemd again and again that the event loop turns, until `signal`; where no watchdog waits for it, it does nothing. Node
 * has no datagram sockets of the Unix kind, so systemd's own program says it in our name: a process each minute, with the
 * unit's WatchdogSec=.
 *
 * @param env of this process, as systemd made it.
 * @see sd_notify(3), sd_watchdog_enabled(3), systemd-notify(1): as root it sends under the PID of whoever called it.
 */
export async function feedWatchdog(
  env: Readonly<Record<string, string | undefined>>,
  { world, log }: { world: Pick<World, 'sleep'>; log: Log },
  signal: AbortSignal,
): Promise<void> {
  const limitMs = watchdogLimitMs(env, process.pid)
  if (limitMs === undefined) return
  const notify = { PATH: '/usr/bin:/bin', NOTIFY_SOCKET: env['NOTIFY_SOCKET'] }
  while (!signal.aborted) {
    try {
      await run('systemd-notify', ['--no-block', 'WATCHDOG=1'], { env: notify, timeout: limitMs })
    } catch (error) {
      log.error(describeError(error), 'systemd’s watchdog could not be told that the agent lives')
    }
    await world.sleep(limitMs / 3, signal).catch(() => undefined)
  }
}

/** How long systemd waits for a sign, in milliseconds; `undefined` where it waits for none of ours. Pure. */
export function watchdogLimitMs(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: limit, WATCHDOG_PID: whose } = env
  const limitMs = Number(limit) / 1000
  if (!socket || !(limitMs > 0) || !Number.isFinite(limitMs)) return undefined
  return whose === undefined || whose === String(pid) ? limitMs : undefined
}

const run = promisify(execFile)
