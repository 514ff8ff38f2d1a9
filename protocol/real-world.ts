import { randomBytes } from 'node:crypto'
import { setTimeout as sleepFor } from 'node:timers/promises'
import type { World } from './world.ts'

/** The world that a program meets in production: the machine's clocks, timers and randomness. */
export function realWorld(): World {
  return {
    now: () => new Date(),
    monotonicMs: () => performance.now(),
    sleep: async (ms, signal) => {
      // A moment that has passed while it was computed is now; Node would warn of a negative number.
      await sleepFor(Math.max(0, ms), undefined, signal ? { signal } : {})
    },
    random: () => Math.random(),
    randomBytes: (size) => randomBytes(size),
  }
}
