import type { ClaimFound } from '../../protocol/zaqar/claims.ts'
import { abortable } from '../abortable.ts'
import type { PollOptions } from '../config.ts'
import { describeError } from '../log.ts'
import { type PersistParts, persist } from '../persist.ts'
import type { QueueAccess } from '../queue-access.ts'
import { firstPace, nextPoll } from './poll-pace.ts'
import { type TakeParts, takeBatch } from './take-batch.ts'

/** What the loop needs. */
export interface ClaimLoopParts extends TakeParts, PersistParts {
  queue: QueueAccess
  poll: PollOptions
  /** Told when an answer has come, for `status`. */
  onPolled: (outcome: { messages: number; waited: boolean }) => void
}

/** How long a full agent waits before it looks again whether there is room, in milliseconds. */
const fullPauseMs = 1000
/** Handing back must not hold up the end of the agent, in milliseconds; unreleased claims end by themselves. */
const releaseLimitMs = 2000

/**
 * Asks the command queue for work until `stop`: claim, take in, acknowledge. The acknowledgement and the commands run
 * beside the next claim. What was claimed but not taken in when `stop` comes is handed back.
 */
export async function claimLoop(parts: ClaimLoopParts, stop: AbortSignal): Promise<void> {
  const { queue, poll, limits, world, journal, desk } = parts
  let pace = firstPace
  while (!stop.aborted) {
    if (journal.owedCount() >= limits.owedCommands) {
      // The bound of the journal: what is owed must leave first.
      await world.sleep(fullPauseMs, stop)
      continue
    }
    const askedMs = world.monotonicMs()
    const claim = async () =>
      queue.claim(
        {
          limit: poll.claimLimit,
          ttlSeconds: poll.claimTtlSeconds,
          waitSeconds: poll.waitSeconds,
        },
        stop,
      )
    const found = await persist('claim from the command queue', claim, parts, stop)
    parts.onPolled({ messages: found.messages.length, waited: found.waited })
    if (found.claimId !== undefined) await takeClaim(found, parts, stop)
    const next = nextPoll(
      pace,
      {
        messages: found.messages.length,
        waited: found.waited,
        tookMs: world.monotonicMs() - askedMs,
        expectsMore: [...desk.values()].some(({ receiver }) => receiver !== undefined),
      },
      { ceilingMs: poll.ceilingSeconds * 1000, random: world.random() },
    )
    pace = next.pace
    if (next.delayMs > 0) await world.sleep(next.delayMs, stop)
  }
}

async function takeClaim(
  claim: ClaimFound,
  parts: ClaimLoopParts,
  stop: AbortSignal,
): Promise<void> {
  if (stop.aborted) {
    await handBack(claim, parts)
    return
  }
  try {
    const done = await takeBatch(claim.messages, parts)
    if (done.length > 0) parts.onCarriedOut(parts.acknowledge(done).catch(() => undefined))
  } catch (error) {
    // A bug, or a closed journal: the messages come back when the claim ends.
    parts.log.error(describeError(error), 'a claim could not be taken in')
    await handBack(claim, parts)
    if (!stop.aborted) await parts.world.sleep(fullPauseMs, stop)
  }
}

async function handBack(
  claim: ClaimFound,
  { queue, world, closing, log }: ClaimLoopParts,
): Promise<void> {
  const limit = new AbortController()
  try {
    await Promise.race([
      abortable(queue.release(claim, limit.signal), closing),
      world.sleep(releaseLimitMs, limit.signal),
    ])
  } catch (error) {
    log.warn(describeError(error), 'a claim could not be handed back; it ends by itself')
  } finally {
    limit.abort()
  }
}
