import type { DatabaseSync } from 'node:sqlite'
import { boundLimit } from './bound-limit.ts'
import type { DueTimes } from './due-times.ts'

/**
 * Removes up to `limit` messages that have ended or whose queue is gone. Nobody sees those any more;
 * the sweep only gives back their room, so it may take its time.
 *
 * @returns whether there may be more to remove.
 */
export function openSweepEnded(
  db: DatabaseSync,
  due: DueTimes,
): (now: number, limit: number) => boolean {
  const sql = {
    ended: db.prepare(`SELECT key FROM messages WHERE ends_at <= ? ORDER BY ends_at ${boundLimit}`),
    retired: db.prepare('SELECT key FROM retired_queues LIMIT 1'),
    orphans: db.prepare(`SELECT key FROM messages WHERE queue = ? ${boundLimit}`),
    remove: db.prepare('DELETE FROM messages WHERE key = ?'),
    removeBody: db.prepare('DELETE FROM bodies WHERE message = ?'),
    removeClaims: db.prepare('DELETE FROM claims WHERE queue = ?'),
    forget: db.prepare('DELETE FROM retired_queues WHERE key = ?'),
  }
  const remove = (rows: ReturnType<typeof sql.ended.all>) => {
    for (const row of rows) {
      sql.remove.run(Number(row['key']))
      sql.removeBody.run(Number(row['key']))
    }
  }

  return (now, limit) => {
    if (now >= due.nextEnd) {
      const ended = sql.ended.all(now, limit)
      remove(ended)
      if (ended.length === limit) return true
      due.refreshEnd()
    }
    const retired = sql.retired.get()
    if (retired === undefined) return false
    const queue = Number(retired['key'])
    const orphans = sql.orphans.all(queue, limit)
    remove(orphans)
    if (orphans.length < limit) {
      sql.removeClaims.run(queue)
      sql.forget.run(queue)
    }
    return true
  }
}
