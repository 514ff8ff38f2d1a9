import type { DatabaseSync } from 'node:sqlite'

/**
 * The next moments at which time alone changes something, kept in memory so that asking costs
 * nothing. Each is never later than the truth; it may be earlier, then one look too many is taken.
 */
export class DueTimes {
  readonly #sql
  /** When the next claim or delay ends, and messages become free by it. */
  nextRelease = 0
  /** When the next message ends. */
  nextEnd = 0

  constructor(db: DatabaseSync) {
    this.#sql = {
      claim: db.prepare('SELECT min(ends_at) AS due FROM claims'),
      delay: db.prepare(
        'SELECT min(delayed_until) AS due FROM messages INDEXED BY delayed_messages WHERE delayed_until IS NOT NULL',
      ),
      end: db.prepare('SELECT min(ends_at) AS due FROM messages'),
    }
  }

  claimEnds(at: number): void {
    this.nextRelease = Math.min(this.nextRelease, at)
  }

  delayEnds(at: number): void {
    this.nextRelease = Math.min(this.nextRelease, at)
  }

  messageEnds(at: number): void {
    this.nextEnd = Math.min(this.nextEnd, at)
  }

  /** Asks the database anew, after what was due has been done. */
  refreshRelease(): void {
    this.nextRelease = Math.min(due(this.#sql.claim.get()), due(this.#sql.delay.get()))
  }

  refreshEnd(): void {
    this.nextEnd = due(this.#sql.end.get())
  }

  /** What was noted may have been undone, or done again: look at the next occasion. */
  forget(): void {
    this.nextRelease = 0
    this.nextEnd = 0
  }
}

function due(row: Record<string, unknown> | undefined): number {
  return typeof row?.['due'] === 'number' ? row['due'] : Number.POSITIVE_INFINITY
}
