import type { World } from '../world.ts'
import type { MessageTooLargeError } from './errors.ts'
import { defaultPostLimitBytes } from './split-into-posts.ts'

/** What a queue service takes in one POST of messages, as far as it is known: Zaqar tells nobody before it refuses one. */
export interface PostLimit {
  /** The default, or less where more was refused within the last hour. */
  bytes: () => number
  /** A POST of about `refusedBytes` was too large. */
  lower: (refusedBytes: number, error: MessageTooLargeError) => void
}

/** What was learned is forgotten after this, in milliseconds: an operator may have mended it, and one refusal an hour costs little. */
const lastsMs = 3_600_000

export function createPostLimit(world: Pick<World, 'monotonicMs'>): PostLimit {
  let learned: { bytes: number; untilMs: number } | undefined
  const bytes = () => {
    if (learned && world.monotonicMs() >= learned.untilMs) learned = undefined
    return learned?.bytes ?? defaultPostLimitBytes
  }
  return {
    bytes,
    lower: (refusedBytes, { limitBytes }) => {
      const known = Math.min(bytes(), lowerLimit(refusedBytes, limitBytes))
      learned = { bytes: known, untilMs: world.monotonicMs() + lastsMs }
    },
  }
}

/** As the service says; half of what it refused where it does not say, or says what cannot be. Pure. */
function lowerLimit(refusedBytes: number, announcedBytes: number | undefined): number {
  const isPlausible = announcedBytes !== undefined && announcedBytes < refusedBytes
  return Math.max(1, isPlausible ? announcedBytes : Math.floor(refusedBytes / 2))
}
