import type { World } from '../../../protocol/world.ts'
import type { Service } from './queue-services.ts'

/** How long, and by how many at once. */
export interface Burst {
  durationMs: number
  connections: number
}

export interface BurstResult {
  /** Uses per second. */
  rate: number
  /** Processor time of the service for each use. It says the same on a busy machine as on a quiet one, but for some noise. */
  costMs: number
}

/**
 * Repeats `use` on each connection, one after the other, until the time is over or it says that there is nothing left.
 * Uses under way at the end are waited for, and count with their time.
 */
export async function runBurst(
  use: () => Promise<boolean>,
  { durationMs, connections }: Burst,
  service: Service,
  world: World,
): Promise<BurstResult> {
  const usedMs = await service.processorMs()
  const begunMs = world.monotonicMs()
  const endMs = begunMs + durationMs
  let count = 0
  const repeat = async () => {
    while (world.monotonicMs() < endMs && (await use())) count += 1
  }
  await Promise.all(Array.from({ length: connections }, repeat))
  const tookMs = world.monotonicMs() - begunMs
  if (count === 0) throw new Error('there was nothing to take')
  return {
    rate: (count * 1000) / tookMs,
    costMs: ((await service.processorMs()) - usedMs) / count,
  }
}
