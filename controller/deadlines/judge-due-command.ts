import type { StoredCommand } from '../store/commands.ts'

/**
 * What a command's due moment means.
 *
 * - `expire`: it has never left, and its time to start is over.
 * - `lose`: it may have been taken, and there was no word of its end until some time after its deadline.
 * - `settle`: it has ended, and output that was announced did not come.
 * - `wait`: not yet; look again then.
 */
export type DueVerdict =
  | { do: 'expire' }
  | { do: 'lose' }
  | { do: 'settle' }
  | { do: 'wait'; until: Date | null }

/** How long until a command is looked at again that was just being posted, in milliseconds. */
const underWayMs = 1000

/** Pure. */
export function judgeDueCommand(
  command: Pick<StoredCommand, 'endedAt' | 'outputSettled' | 'startBy' | 'deadline' | 'dueAt'>,
  facts: {
    now: Date
    hasNeverLeft: boolean
    isUnderWay: boolean
    lostMarginMs: number
    /** When this controller started. */
    since: Date
  },
): DueVerdict {
  const { now, lostMarginMs, since } = facts
  const { deadline, dueAt, endedAt, outputSettled, startBy } = command
  if (endedAt !== null) {
    if (outputSettled || dueAt === null) return { do: 'wait', until: null }
    return dueAt <= now ? { do: 'settle' } : { do: 'wait', until: dueAt }
  }
  // A POST of it is being made; what comes of it sets the next moment, unless nothing comes of it.
  if (facts.isUnderWay) return { do: 'wait', until: new Date(now.getTime() + underWayMs) }
  if (facts.hasNeverLeft) return startBy <= now ? { do: 'expire' } : { do: 'wait', until: startBy }
  // While no controller was there, nobody collected: what waits on the queue has the same time to be heard.
  const lostAt = new Date(Math.max(deadline.getTime(), since.getTime()) + lostMarginMs)
  return lostAt <= now ? { do: 'lose' } : { do: 'wait', until: lostAt }
}
