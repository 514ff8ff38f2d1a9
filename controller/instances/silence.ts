import type { Context } from '../context.ts'
import type { Instance } from '../store/instances.ts'

/** Heartbeats in a row that may be missing. */
const missedHeartbeats = 3

/** An instance that was last heard of before this moment is silent. */
export function silentSince({ config, world }: Pick<Context, 'config' | 'world'>): Date {
  return new Date(world.now().getTime() - missedHeartbeats * config.heartbeatSeconds * 1000)
}

/** Where an instance stands. Pure. */
export function instanceState(
  { enrolledAt, lastSeenAt }: Pick<Instance, 'enrolledAt' | 'lastSeenAt'>,
  since: Date,
): 'expected' | 'enrolled' | 'silent' {
  if (enrolledAt === null) return 'expected'
  return (lastSeenAt ?? enrolledAt) < since ? 'silent' : 'enrolled'
}
