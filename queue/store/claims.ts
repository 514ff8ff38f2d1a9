import type { DatabaseSync } from 'node:sqlite'
import type { DueTimes } from './due-times.ts'
import { type MessageTable, readMessage, type StoredMessage } from './messages.ts'
import type { QueueTable, StoredQueue } from './queues.ts'

export interface ClaimRequest {
  id: string
  limit: number
  ttlSeconds: number
  /** A message that would end before its claim is kept for the claim's time and this much more. */
  graceSeconds: number
}

export interface StoredClaim {
  key: number
  id: string
  ttlSeconds: number
  /** When it was made or last renewed, in milliseconds since 1970. */
  renewedAt: number
}

export interface MadeClaim {
  key: number
  messages: StoredMessage[]
}

export type ClaimTable = ReturnType<typeof openClaimTable>

/** `freed` hears of each queue that has messages to claim again, or anew. */
export function openClaimTable(
  db: DatabaseSync,
  tables: { messages: MessageTable; queues: QueueTable },
  due: DueTimes,
  freed: (queue: number) => void,
) {
  const { messages, queues } = tables
  const sql = {
    insert: db.prepare(
      'INSERT INTO claims (queue, id, ttl_seconds, renewed_at, ends_at) VALUES (?, ?, ?, ?, ?)',
    ),
    take: db.prepare('UPDATE messages SET claim = ?, claim_count = claim_count + 1 WHERE key = ?'),
    // Apart: an update that names `ends_at` rewrites the index of all ends, also where it stays the same.
    setEnd: db.prepare('UPDATE messages SET ttl_seconds = ?, ends_at = ? WHERE key = ?'),
    find: db.prepare(
      'SELECT key, id, ttl_seconds, renewed_at FROM claims WHERE queue = ? AND id = ? AND ends_at > ?',
    ),
    held: db.prepare(`SELECT m.key, m.id, m.client, m.ttl_seconds, m.posted_at, m.ends_at, m.claim_count, b.body,
        c.id AS claim_id
      FROM messages m INDEXED BY claimed_messages CROSS JOIN bodies b ON b.message = m.key
      JOIN claims c ON c.key = m.claim
      WHERE m.claim = ? AND m.ends_at > ? ORDER BY m.key`),
    renew: db.prepare(
      'UPDATE claims SET ttl_seconds = ?, renewed_at = ?, ends_at = ? WHERE key = ?',
    ),
    prolong: db.prepare(
      'UPDATE messages SET ttl_seconds = ?, ends_at = ? WHERE claim = ? AND ends_at < ?',
    ),
    delete: db.prepare('DELETE FROM claims WHERE key = ? RETURNING queue'),
    free: db.prepare('UPDATE messages SET claim = NULL WHERE claim = ?'),
    uncount: db.prepare('UPDATE messages SET claim_count = claim_count - 1 WHERE claim = ?'),
  }

  /** Moves what was claimed too often to the dead-letter queue; gives back what is left. */
  const sortOutDead = (queue: StoredQueue, found: StoredMessage[], now: number) => {
    const { maxClaimCount, deadLetterQueue, deadLetterTtlSeconds } = queue.settings
    if (maxClaimCount === undefined || deadLetterQueue === undefined) return found
    return found.filter((message) => {
      if (message.claimCount < maxClaimCount) return true
      const target = queues.findOrCreate({ project: queue.project, name: deadLetterQueue })
      const leftSeconds = Math.max(1, Math.ceil((message.endsAt - now) / 1000))
      messages.remove(message.key)
      // A new arrival there with an id of its own: who lists by marker must not miss it.
      messages.insert(
        target.key,
        message.client,
        { body: message.body, ttlSeconds: deadLetterTtlSeconds ?? leftSeconds, delaySeconds: 0 },
        now,
      )
      freed(target.key)
      return false
    })
  }

  const pick = (queue: StoredQueue, limit: number, now: number): StoredMessage[] => {
    for (;;) {
      const found = messages.free(queue.key, now, limit)
      const alive = sortOutDead(queue, found, now)
      if (alive.length > 0 || found.length === 0) return alive
    }
  }

  /** Ends a claim by its key; its messages keep their old places. */
  const release = (key: number): void => {
    const row = sql.delete.get(key)
    if (row === undefined) return
    if (sql.free.run(key).changes) freed(Number(row['queue']))
  }

  return {
    release,
    /** Takes the oldest free messages; undefined when there are none. */
    make: (queue: StoredQueue, request: ClaimRequest, now: number): MadeClaim | undefined => {
      const picked = pick(queue, request.limit, now)
      if (picked.length === 0) return undefined
      const endsAt = now + request.ttlSeconds * 1000
      const { lastInsertRowid } = sql.insert.run(
        queue.key,
        request.id,
        request.ttlSeconds,
        now,
        endsAt,
      )
      const key = Number(lastInsertRowid)
      due.claimEnds(endsAt)
      const taken = picked.map((message): StoredMessage => {
        const claimed = prolongFor(message, request, now)
        sql.take.run(key, message.key)
        if (claimed !== message) sql.setEnd.run(claimed.ttlSeconds, claimed.endsAt, message.key)
        return { ...claimed, claimId: request.id }
      })
      return { key, messages: taken }
    },
    find: (queue: number, id: string, now: number): StoredClaim | undefined => {
      const row = sql.find.get(queue, id, now)
      return (
        row && {
          key: Number(row['key']),
          id: String(row['id']),
          ttlSeconds: Number(row['ttl_seconds']),
          renewedAt: Number(row['renewed_at']),
        }
      )
    },
    held: (key: number, now: number): StoredMessage[] => sql.held.all(key, now).map(readMessage),
    /** Restarts the claim's time, and keeps its messages alive with it. */
    renew: (key: number, ttlSeconds: number, graceSeconds: number, now: number): void => {
      const endsAt = now + ttlSeconds * 1000
      sql.renew.run(ttlSeconds, now, endsAt, key)
      sql.prolong.run(ttlSeconds + graceSeconds, endsAt + graceSeconds * 1000, key, endsAt)
      due.claimEnds(endsAt)
    },
    /** Ends a claim that nobody got to see: as if it had not been made, so it does not count either. */
    takeBack: (key: number): void => {
      sql.uncount.run(key)
      release(key)
    },
  }
}

/** A message does not end while it is claimed, nor before its claimer had `graceSeconds` to delete it. */
function prolongFor(
  message: StoredMessage,
  claim: Pick<ClaimRequest, 'ttlSeconds' | 'graceSeconds'>,
  now: number,
): StoredMessage {
  if (message.endsAt >= now + claim.ttlSeconds * 1000) return message
  const ttlSeconds = claim.ttlSeconds + claim.graceSeconds
  return { ...message, ttlSeconds, endsAt: now + ttlSeconds * 1000 }
}
