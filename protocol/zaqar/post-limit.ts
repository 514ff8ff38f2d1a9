import type { World } from '../world.ts'
import type { MessageTooLargeError } from './errors.ts'
import { defaultPostLimitBytes } from './split-into-posts.ts'

/** What a queue service takes in one POST of messages, as far as it is known: Zaqar tells nobody before it refuses one. */
export interface PostLimit {
  /** The default, or less where more was refused within the last hour. */
  bytes: () => number
  /**
   * A POST of about `refusedBytes` was too large.
   *
   * @returns whether the limit is now below that. Where it is not, only posting each message alone tells which one is refused.
   */
  lower: (refusedBytes: number, error: MessageTooLargeError) => boolean
}

/** What was learned is forgotten after this, in milliseconds: an operator may have mended it, and one refusal an hour costs little. */
const lastsMs = 3_600_000

/**
 * Halving ends here, in bytes: no service or proxy of any use takes less, and a short command, a result without its long parts
 * and a piece of output fit. What a service itself says is believed below that too.
 */
const leastGuessBytes = 4096

export function createPostLimit(world: Pick<World, 'monotonicMs'>): PostLimit {
  let learned: { bytes: number; untilMs: number } | undefined
  const bytes = () => {
    if (learned && world.monotonicMs() >= learned.untilMs) learned = undefined
    return learned?.bytes ?? defaultPostLimitBytes
  }
  return {
    bytes,
    lower: (refusedBytes, { limitBytes }) => {
      const lowered = lowerLimit(refusedBytes, limitBytes)
      // One message that is refused at any size takes the limit down with each POST that it is in. When it is refused here
      // too, size was not the reason, and one refusal more will teach again what was true of it.
      learned =
        lowered === undefined
          ? undefined
          : { bytes: Math.min(bytes(), lowered), untilMs: world.monotonicMs() + lastsMs }
      return bytes() < refusedBytes
    },
  }
}

/**
 * As the service says; half of what it refused where it does not say, or says what cannot be. `undefined`: what it refused is so
 * small that its size cannot be why. Pure.
 */
function lowerLimit(refusedBytes: number, announcedBytes: number | undefined): number | undefined {
  if (announcedBytes !== undefined && announcedBytes < refusedBytes) {
    return Math.max(1, announcedBytes)
  }
  if (refusedBytes <= leastGuessBytes) return undefined
  return Math.max(leastGuessBytes, Math.floor(refusedBytes / 2))
}
