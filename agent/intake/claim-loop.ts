import { abortable } from '../../protocol/abortable.ts'
import type { ClaimFound } from '../../protocol/zaqar/claims.ts'
import type { PollOptions } from '../config.ts'
import { describeError } from '../log.ts'
import { type PersistParts, persist } from '../persist.ts'
import type { ClaimOutcome, QueueAccess } from '../queue-access.ts'
import { claimUnlessCut } from './claim-unless-cut.ts'
import { firstPace, nextPoll, spreadOut } from './poll-pace.ts'
import { type TakeParts, takeBatch } from './take-batch.ts'

/** What the loop needs. */
export interface ClaimLoopParts extends TakeParts, PersistParts {
  queue: QueueAccess
  poll: PollOptions
  /** Told of each claim, for `status`; `pauseMs` lie between it and the next. */
  onPolled: (poll: { answered: boolean; waited: boolean; pauseMs: number }) => void
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
  const { limits, world, journal } = parts
  const paceOptions = () => ({
    ceilingMs: parts.poll.ceilingSeconds * 1000,
    random: world.random(),
  })
  let { pace, delayMs } = journal.isQueuePaced()
    ? spreadOut(paceOptions())
    : { pace: firstPace, delayMs: 0 }
  if (delayMs > 0) await world.sleep(delayMs, stop)
  while (!stop.aborted) {
    if (journal.owedCount() + parts.refusals.unansweredCount() >= limits.owedCommands) {
      // The bound of the journal: what is owed must leave first.
      await world.sleep(fullPauseMs, stop)
      continue
    }
    const askedMs = world.monotonicMs()
    const found = await claimOnce(parts, stop)
    if (found.claimId !== undefined) await takeClaim(found, parts, stop)
    const outcome = {
      messages: found.messages.length,
      waited: found.waited,
      tookMs: world.monotonicMs() - askedMs,
      expectsMore: expectsMore(parts),
    }
    const next =
      found.via === 'nobody' ? spreadOut(paceOptions()) : nextPoll(pace, outcome, paceOptions())
    pace = next.pace
    delayMs = next.delayMs
    const answered = found.via !== 'nobody'
    parts.onPolled({ answered, waited: found.waited, pauseMs: delayMs })
    if (answered) journal.noteQueuePaced(!found.waited)
    if (delayMs > 0) await world.sleep(delayMs, stop)
  }
}

async function claimOnce(parts: ClaimLoopParts, stop: AbortSignal): Promise<ClaimOutcome> {
  const attempt = async () => {
    for (;;) {
      const found = await claimUnlessCut(parts, stop)
      if (found !== undefined) return found
    }
  }
  return await persist('claim from the command queue', attempt, parts, stop)
}

/** The controller has said that more is coming: the rest of a content, or what somebody types into an open `stdin`. */
function expectsMore({ desk }: ClaimLoopParts): boolean {
  return [...desk.values()].some(
    ({ command, receiver, isRunning }) =>
      receiver !== undefined || (isRunning() && command.operation['stdin'] === 'open'),
  )
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
