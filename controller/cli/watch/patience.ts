import type { World } from '../../../protocol/world.ts'
import { ControllerUnreachableError } from '../errors.ts'

/** How long a controller that was there may be away, such as while it is started again, in milliseconds. */
const outageLimitMs = 60_000
const firstDelayMs = 100
const delayLimitMs = 5000

/** Bridges a controller's restart for whoever only watches. Begin to watch only once a call has succeeded. */
export interface Patience {
  /** The controller answers. */
  renew: () => void
  /** Sleeps before the next attempt; throws `error` when waiting would not help, or has lasted too long. */
  bear: (error: unknown, signal?: AbortSignal) => Promise<void>
}

export function createPatience(world: World): Patience {
  let outage: { beganMs: number; delayMs: number } | null = null
  return {
    renew: () => {
      outage = null
    },
    bear: async (error, signal) => {
      if (!(error instanceof ControllerUnreachableError)) throw error
      outage ??= { beganMs: world.monotonicMs(), delayMs: firstDelayMs }
      if (world.monotonicMs() - outage.beganMs > outageLimitMs) throw error
      await world.sleep(outage.delayMs * (0.5 + world.random() / 2), signal)
      outage.delayMs = Math.min(outage.delayMs * 2, delayLimitMs)
    },
  }
}
