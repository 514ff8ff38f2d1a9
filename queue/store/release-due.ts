import type { DatabaseSync } from 'node:sqlite'
import type { ClaimTable } from './claims.ts'
import type { DueTimes } from './due-times.ts'

/** Rows looked at in one go; the loop goes on until nothing is due. */
const chunk = 1000

/**
 * Frees the messages whose claim or delay has ended by `now`. It is exact: no request after it sees
 * a claim whose time is over.
 */
export function openReleaseDue(
  db: DatabaseSync,
  claims: ClaimTable,
  due: DueTimes,
  freed: (queue: number) => void,
): (now: number) => void {
  const sql = {
    claims: db.prepare(`SELECT key FROM claims WHERE ends_at <= ? ORDER BY ends_at LIMIT ${chunk}`),
    delays: db.prepare(`SELECT key, queue FROM messages INDEXED BY delayed_messages
      WHERE delayed_until <= ? LIMIT ${chunk}`),
    undelay: db.prepare('UPDATE messages SET delayed_until = NULL WHERE key = ?'),
  }
  return (now) => {
    for (let full = true; full; ) {
      const ended = sql.claims.all(now)
      for (const row of ended) claims.release(Number(row['key']))
      full = ended.length === chunk
    }
    for (let full = true; full; ) {
      const arrived = sql.delays.all(now)
      for (const row of arrived) {
        sql.undelay.run(Number(row['key']))
        freed(Number(row['queue']))
      }
      full = arrived.length === chunk
    }
    due.refreshRelease()
  }
}
