/** How polling has gone so far. */
export interface Pace {
  /** Empty answers in a row that the server gave without waiting. */
  emptyInRow: number
}

/** One answered claim request. */
export interface PollOutcome {
  messages: number
  /** The server honoured `Prefer: wait`. */
  waited: boolean
  /** From request to answer. */
  tookMs: number
  /** More is known to come soon, such as the rest of a command's content. */
  expectsMore: boolean
}

export const firstPace: Pace = { emptyInRow: 0 }

const baseMs = 250
/** While more is coming, the pause stays below this. */
const eagerCeilingMs = 500
/** A server that says it waits, but answers nothing at once, must not make us spin. */
const shortestWaitMs = 1000

/**
 * The pause before the next claim request, in milliseconds. Where the server waits, none. Elsewhere none after activity,
 * and then full jitter under a bound that doubles up to the ceiling, so that ten thousand agents never knock together. Pure.
 *
 * @param random from 0 to 1, as of `World.random`.
 */
export function nextPoll(
  pace: Pace,
  outcome: PollOutcome,
  { ceilingMs, random }: { ceilingMs: number; random: number },
): { pace: Pace; delayMs: number } {
  const hasWaited = outcome.waited && outcome.tookMs >= shortestWaitMs
  if (outcome.messages > 0 || hasWaited) return { pace: firstPace, delayMs: 0 }
  const emptyInRow = pace.emptyInRow + 1
  const ceiling = outcome.expectsMore ? Math.min(eagerCeilingMs, ceilingMs) : ceilingMs
  const bound = Math.min(ceiling, baseMs * 2 ** Math.min(emptyInRow - 1, 30))
  return { pace: { emptyInRow }, delayMs: Math.ceil(random * bound) }
}

/** Slow from the beginning: nothing has happened that promises more. */
const idlePace: Pace = { emptyInRow: 30 }

/**
 * How to come to a server that does not wait, together with a thousand others: they were all started by one event, or have
 * all lost the gateway at one moment. Anywhere within the ceiling, and on at the pace of an idle agent. Pure.
 *
 * @param random from 0 to 1, as of `World.random`.
 */
export function spreadOut({ ceilingMs, random }: { ceilingMs: number; random: number }): {
  pace: Pace
  delayMs: number
} {
  return { pace: idlePace, delayMs: Math.ceil(random * ceilingMs) }
}
