import type { DatabaseSync } from 'node:sqlite'
import { type StoredMessage } from './messages.ts'

export interface QueueStats {
  free: number
  claimed: number
  oldest: Pick<StoredMessage, 'id' | 'postedAt'> | undefined
  newest: Pick<StoredMessage, 'id' | 'postedAt'> | undefined
}

/** Counts a queue by its indexes alone, without a look at the messages. A delayed message counts as free. */
export function openStats(db: DatabaseSync): (queue: number, now: number) => QueueStats {
  const end = (direction: 'ASC' | 'DESC') =>
    db.prepare(`SELECT id, posted_at FROM messages INDEXED BY messages_in_order
      WHERE queue = ? AND ends_at > ? ORDER BY id ${direction} LIMIT 1`)
  const sql = {
    free: db.prepare(`SELECT count(*) AS count FROM messages INDEXED BY free_messages
      WHERE queue = ? AND claim IS NULL AND delayed_until IS NULL AND ends_at > ?`),
    delayed: db.prepare(`SELECT count(*) AS count FROM messages INDEXED BY delayed_messages
      WHERE queue = ? AND delayed_until IS NOT NULL AND ends_at > ?`),
    claimed: db.prepare(`SELECT count(*) AS count FROM claims c JOIN messages m ON m.claim = c.key
      WHERE c.queue = ? AND m.ends_at > ?`),
    oldest: end('ASC'),
    newest: end('DESC'),
  }
  const count = (statement: typeof sql.free, queue: number, now: number) =>
    Number(statement.get(queue, now)?.['count'])
  const message = (statement: typeof sql.oldest, queue: number, now: number) => {
    const row = statement.get(queue, now)
    return row && { id: String(row['id']), postedAt: Number(row['posted_at']) }
  }
  return (queue, now) => ({
    free: count(sql.free, queue, now) + count(sql.delayed, queue, now),
    claimed: count(sql.claimed, queue, now),
    oldest: message(sql.oldest, queue, now),
    newest: message(sql.newest, queue, now),
  })
}
