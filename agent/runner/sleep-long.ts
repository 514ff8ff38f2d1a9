import type { World } from '../../protocol/world.ts'

/** Longer timers than 2^31 - 1 ms (24.8 days) fire at once in Node; a command may run for thirty days. */
const longestSleepMs = 86_400_000

/** Sleeps for any length of time. Rejects with the signal's reason when it is aborted. */
export async function sleepLong(world: World, ms: number, signal: AbortSignal): Promise<void> {
  const endMs = world.monotonicMs() + ms
  for (let rest = ms; rest > 0; rest = endMs - world.monotonicMs()) {
    await world.sleep(Math.min(rest, longestSleepMs), signal)
  }
}
