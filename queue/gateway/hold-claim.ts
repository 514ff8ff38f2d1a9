import type { World } from '../../protocol/world.ts'
import type { KnownQueues } from './known-queues.ts'
import type { UpstreamAnswer } from './upstream.ts'
import type { Visit, WaitEnd, WaitingAgents } from './waiting-agents.ts'

/** What holding needs. */
export interface HoldParts {
  agents: WaitingAgents
  known: KnownQueues
  world: World
}

/** A claim that may wait. */
export interface HeldClaim {
  queue: string
  /** Stands for the signed URL that it shows, and is not it. */
  url: string
  waitSeconds: number
  /** Of the claim that is asked for. */
  ttlSeconds: number
  /** Forwards it, with the agent's own headers. */
  look: () => Promise<UpstreamAnswer>
  onGone: (act: () => void) => void
}

/**
 * Zaqar announces a message just before it stores it, so that the first looks may come too early: the pauses before each
 * look after an announcement, in milliseconds.
 */
const eagerPausesMs = [10, 25, 50, 100, 250, 1000]
/** When announcements of a queue keep bringing nothing, whoever makes them; and for who is not the newest to wait there. */
const wearyPausesMs = [2000]

/**
 * Forwards a claim, and again whenever its queue is announced or a look is due, until there is something or its time is over.
 *
 * @returns what the queue service answered, unless that was "nothing"; undefined when nothing has come.
 */
export async function holdClaim(
  parts: HoldParts,
  claim: HeldClaim,
): Promise<UpstreamAnswer | undefined> {
  const { agents, known, world } = parts
  const { queue, url } = claim
  const endMs = world.monotonicMs() + claim.waitSeconds * 1000
  // Entered before the first look: what is announced meanwhile is not missed.
  using visit = agents.enter(queue)
  claim.onGone(visit.leave)
  let why: WaitEnd = 'time'
  while (why === 'time' || why === 'announced') {
    const pausesMs = why === 'announced' ? pausesFor(queue, visit, known) : [0]
    const isDue = why === 'announced' || known.lookDueMs(queue, url) <= world.monotonicMs()
    const answer = isDue ? await lookUntilFound(parts, claim, visit, pausesMs) : undefined
    if (answer !== undefined) return answer
    if (visit.isOver() || world.monotonicMs() >= endMs) return undefined
    why = await visit.next(Math.min(endMs, known.lookDueMs(queue, url)))
  }
  return undefined
}

function pausesFor(queue: string, visit: Visit, known: KnownQueues): readonly number[] {
  return visit.isNewest() && known.takeCredit(queue) ? eagerPausesMs : wearyPausesMs
}

async function lookUntilFound(
  { known, world }: HoldParts,
  { queue, url, ttlSeconds, look }: HeldClaim,
  visit: Visit,
  pausesMs: readonly number[],
): Promise<UpstreamAnswer | undefined> {
  for (const pauseMs of pausesMs) {
    if (pauseMs > 0) await world.sleep(pauseMs, visit.over()).catch(() => undefined)
    // Nothing may be claimed for an agent that has gone.
    if (visit.isOver()) return undefined
    const answer = await look()
    if (answer.status === 201) known.noteClaimed(queue, url, ttlSeconds)
    if (answer.status !== 204) return answer
    known.noteEmpty(queue, url)
  }
  return undefined
}
