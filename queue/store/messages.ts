import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { boundLimit } from './bound-limit.ts'
import type { DueTimes } from './due-times.ts'
import type { MessageIds } from './message-ids.ts'
import type { StoredQueue } from './queues.ts'

/** A message that is to be stored; its queue's defaults are already applied. */
export interface NewMessage {
  /** JSON text, stored and given out as it is. */
  body: string
  ttlSeconds: number
  delaySeconds: number
}

/** A message as it lies in the queue. Moments are milliseconds since 1970. */
export interface StoredMessage {
  key: number
  id: string
  /** The Client-ID of who posted it. */
  client: string
  body: string
  ttlSeconds: number
  postedAt: number
  endsAt: number
  claimCount: number
  /** The live claim that holds it. */
  claimId: string | undefined
}

/** What a deletion must know of a message. */
export type MessagePlace = Pick<StoredMessage, 'key' | 'claimId'>

export interface PageRequest {
  limit: number
  /** The id of a message, also of one that is gone: the page begins behind it. */
  marker: string
  /** Leave out messages that this client posted. */
  exceptClient: string | undefined
  includeClaimed: boolean
  includeDelayed: boolean
}

/** Why a message may not be deleted, or that it is gone now. */
export type Deletion = 'gone' | 'claimed' | 'claimed-by-another' | 'unknown-claim' | 'not-claimed'

export type MessageTable = ReturnType<typeof openMessageTable>

const columns = `m.key, m.id, m.client, m.ttl_seconds, m.posted_at, m.ends_at, m.claim_count, b.body`
/** No Client-ID; leaves out nothing. */
const nobody = ''
const isFree = 'm.claim IS NULL AND m.delayed_until IS NULL'

export function openMessageTable(db: DatabaseSync, ids: MessageIds, due: DueTimes) {
  const sql = {
    insert:
      db.prepare(`INSERT INTO messages (queue, id, client, ttl_seconds, posted_at, ends_at, delayed_until)
      VALUES (?, ?, ?, ?, ?, ?, ?)`),
    insertBody: db.prepare('INSERT INTO bodies VALUES (?, ?)'),
    delete: db.prepare('DELETE FROM messages WHERE key = ?'),
    deleteBody: db.prepare('DELETE FROM bodies WHERE message = ?'),
    hasFree: db.prepare(`SELECT 1 FROM messages m INDEXED BY free_messages
      WHERE queue = ? AND ${isFree} AND ends_at > ? LIMIT 1`),
    free: db.prepare(`SELECT ${columns} FROM messages m INDEXED BY free_messages
      CROSS JOIN bodies b ON b.message = m.key
      WHERE m.queue = ? AND ${isFree} AND m.ends_at > ? ORDER BY m.key ${boundLimit}`),
    page: db.prepare(`SELECT ${columns}, c.id AS claim_id FROM messages m INDEXED BY messages_in_order
      CROSS JOIN bodies b ON b.message = m.key LEFT JOIN claims c ON c.key = m.claim
      WHERE m.queue = ? AND m.id > ? AND m.ends_at > ? AND (? OR m.claim IS NULL)
        AND (? OR m.delayed_until IS NULL) AND m.client <> ?
      ORDER BY m.id ${boundLimit}`),
    keyBehind: db.prepare(
      'SELECT key FROM messages WHERE queue = ? AND id > ? ORDER BY id LIMIT 1',
    ),
    freePage: db.prepare(`SELECT ${columns} FROM messages m INDEXED BY free_messages
      CROSS JOIN bodies b ON b.message = m.key
      WHERE m.queue = ? AND m.key >= ? AND ${isFree} AND m.ends_at > ? AND m.client <> ?
      ORDER BY m.key ${boundLimit}`),
    find: db.prepare(`SELECT ${columns}, c.id AS claim_id FROM messages m
      CROSS JOIN bodies b ON b.message = m.key LEFT JOIN claims c ON c.key = m.claim
      WHERE m.queue = ? AND m.id = ? AND m.ends_at > ?`),
    // Without the body: a deletion has no use for it, and it may be 256 KiB.
    place:
      db.prepare(`SELECT m.key, c.id AS claim_id FROM messages m LEFT JOIN claims c ON c.key = m.claim
      WHERE m.queue = ? AND m.id = ? AND m.ends_at > ?`),
    liveClaim: db.prepare('SELECT 1 FROM claims WHERE queue = ? AND id = ?'),
  }

  const insert = (queue: number, client: string, message: NewMessage, now: number): string => {
    const id = ids.next()
    const endsAt = now + message.ttlSeconds * 1000
    const delayedUntil = message.delaySeconds > 0 ? now + message.delaySeconds * 1000 : null
    const { lastInsertRowid } = sql.insert.run(
      queue,
      id,
      client,
      message.ttlSeconds,
      now,
      endsAt,
      delayedUntil,
    )
    sql.insertBody.run(lastInsertRowid, message.body)
    due.messageEnds(endsAt)
    if (delayedUntil !== null) due.delayEnds(delayedUntil)
    return id
  }

  const remove = (key: number): void => {
    sql.delete.run(key)
    sql.deleteBody.run(key)
  }

  const find = (queue: number, id: string, now: number): StoredMessage | undefined => {
    const row = sql.find.get(queue, id, now)
    return row && readMessage(row)
  }

  const place = (queue: number, id: string, now: number): MessagePlace | undefined => {
    const row = sql.place.get(queue, id, now)
    return row && { key: Number(row['key']), claimId: claimIdOf(row) }
  }

  return {
    insert,
    remove,
    find,
    place,
    hasFree: (queue: number, now: number): boolean => sql.hasFree.get(queue, now) !== undefined,
    /** The oldest messages that nobody holds. Costs the same in a long queue as in a short one. */
    free: (queue: number, now: number, limit: number): StoredMessage[] =>
      sql.free.all(queue, now, limit).map(readMessage),
    page: (queue: number, request: PageRequest, now: number): StoredMessage[] => {
      const { limit, marker, includeClaimed, includeDelayed } = request
      const exceptClient = request.exceptClient ?? nobody
      if (includeClaimed || includeDelayed) {
        const flags = [Number(includeClaimed), Number(includeDelayed)]
        const rows = sql.page.all(queue, marker, now, ...flags, exceptClient, limit)
        return rows.map(readMessage)
      }
      const first = sql.keyBehind.get(queue, marker)
      if (first === undefined) return []
      const rows = sql.freePage.all(queue, Number(first['key']), now, exceptClient, limit)
      return rows.map(readMessage)
    },
    /** Deletes by id, as the holder of `claimId` or of no claim. A message that is not there is gone already. */
    delete: (
      queue: StoredQueue,
      id: string,
      claimId: string | undefined,
      now: number,
    ): Deletion => {
      const message = place(queue.key, id, now)
      if (message === undefined) return 'gone'
      if (message.claimId === undefined && claimId !== undefined) return 'not-claimed'
      if (message.claimId !== undefined && claimId === undefined) return 'claimed'
      if (message.claimId !== claimId) {
        const isLive = sql.liveClaim.get(queue.key, claimId ?? '') !== undefined
        return isLive ? 'claimed-by-another' : 'unknown-claim'
      }
      remove(message.key)
      return 'gone'
    },
  }
}

export function readMessage(row: Record<string, SQLOutputValue>): StoredMessage {
  return {
    key: Number(row['key']),
    id: String(row['id']),
    client: String(row['client']),
    body: String(row['body']),
    ttlSeconds: Number(row['ttl_seconds']),
    postedAt: Number(row['posted_at']),
    endsAt: Number(row['ends_at']),
    claimCount: Number(row['claim_count']),
    claimId: claimIdOf(row),
  }
}

function claimIdOf(row: Record<string, SQLOutputValue>): string | undefined {
  const claimId = row['claim_id']
  return typeof claimId === 'string' ? claimId : undefined
}
