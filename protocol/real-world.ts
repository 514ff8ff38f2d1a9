import { randomBytes } from 'node:crypto'
import type { World } from './world.ts'

/** The world that a program meets in production: the machine's clocks, timers and randomness. */
export function realWorld(): World {
  return {
    now: () => new Date(),
    monotonicMs: () => performance.now(),
    sleep,
    random: () => Math.random(),
    randomBytes: (size) => randomBytes(size),
  }
}

/**
 * Most timers guard something that ends in time, and are called off: with Node's own timers/promises that costs an error with
 * a stack trace each, 0.1 to 0.2 ms.
 */
async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // A moment that has passed while it was computed is now; Node would warn of a negative number.
  const timer = setTimeout(resolve, Math.max(0, ms))
  const onAbort = () => {
    clearTimeout(timer)
    reject(signal?.reason)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}
