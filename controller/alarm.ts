import type { Logger } from 'pino'
import type { World } from '../protocol/world.ts'
import { backoffDelayMs } from '../protocol/zaqar/retry.ts'

/** Work that falls due at moments which the store knows. */
export interface AlarmOptions {
  name: string
  /** When to ring next; `undefined`: not until it is set anew. */
  nextDueAt: () => Date | undefined
  /** Does what is due, so that `nextDueAt` moves on. When it throws, it is tried again with backoff. */
  ring: (signal: AbortSignal) => Promise<void>
}

/** A sleeper that wakes at the earliest due moment. */
export interface Alarm extends AsyncDisposable {
  /** Something may be due earlier than was known. Free when it is not. */
  set: (dueAt: Date) => void
}

/** The longest sleep, in milliseconds: timers overflow beyond 24 days, and the wall clock may be moved meanwhile. */
const longestSleepMs = 60 * 60 * 1000

/** Starts an alarm; disposing of it waits for the ring under way. */
export function startAlarm(
  { name, nextDueAt, ring }: AlarmOptions,
  world: World,
  log: Logger,
): Alarm {
  const stop = new AbortController()
  let failures = 0
  let plannedMs = Number.POSITIVE_INFINITY
  let sleeper = new AbortController()

  const sleepUntil = async (dueAt: Date | undefined) => {
    plannedMs = dueAt?.getTime() ?? Number.POSITIVE_INFINITY
    const ms = Math.min(longestSleepMs, plannedMs - world.now().getTime())
    sleeper = new AbortController()
    // The only way to fail is the abort, which is a call to look again.
    await world.sleep(Math.max(0, ms), sleeper.signal).catch(() => undefined)
  }

  const run = async () => {
    while (!stop.signal.aborted) {
      try {
        const dueAt = nextDueAt()
        if (dueAt !== undefined && dueAt <= world.now()) await ring(stop.signal)
        else await sleepUntil(dueAt)
        failures = 0
      } catch (error) {
        if (stop.signal.aborted) return
        failures += 1
        log.error({ err: error, alarm: name }, 'work that was due failed; trying again')
        const delayMs = backoffDelayMs(failures, world.random, { capMs: 30_000 })
        await sleepUntil(new Date(world.now().getTime() + 100 + delayMs))
      }
    }
  }
  const running = run()

  return {
    set: (dueAt) => {
      if (dueAt.getTime() < plannedMs) sleeper.abort('something is due earlier')
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      sleeper.abort()
      await running
    },
  }
}
