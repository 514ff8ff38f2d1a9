import { realWorld } from '../../protocol/real-world.ts'
import type { World } from '../../protocol/world.ts'

/** The real world, but a test may move its clock forward: what sleeps past the new moment wakes at once. */
export interface ShiftingWorld extends World {
  shift: (ms: number) => void
}

export function shiftingWorld(): ShiftingWorld {
  const real = realWorld()
  let shiftedMs = 0
  const sleepers = new Set<() => void>()
  const monotonicMs = (): number => real.monotonicMs() + shiftedMs
  return {
    ...real,
    now: () => new Date(real.now().getTime() + shiftedMs),
    monotonicMs,
    shift: (ms) => {
      shiftedMs += ms
      for (const look of sleepers) look()
    },
    sleep: async (ms, signal) => {
      const end = monotonicMs() + ms
      while (monotonicMs() < end) {
        const look = new AbortController()
        const wake = (): void => look.abort()
        sleepers.add(wake)
        try {
          const either = signal ? AbortSignal.any([signal, look.signal]) : look.signal
          await real.sleep(end - monotonicMs(), either)
        } catch (error) {
          if (!look.signal.aborted) throw error
        } finally {
          sleepers.delete(wake)
        }
      }
    },
  }
}
