import type { DatabaseSync } from 'node:sqlite'
import type { QueueLimits } from '../queue-options.ts'
import { boundLimit } from './bound-limit.ts'
import { type Metadata, parseMetadata, type QueueSettings, settingsReader } from './metadata.ts'

/** A queue is known to people by its project and its name, in the database by its key. */
export interface QueueName {
  project: string
  name: string
}

export interface StoredQueue extends QueueName {
  key: number
  metadata: Metadata
  settings: QueueSettings
}

/** Queues kept in memory; beyond it all are read anew. */
const maxKnown = 10_000

export type QueueTable = ReturnType<typeof openQueueTable>

export function openQueueTable(db: DatabaseSync, limits: QueueLimits) {
  const readSettings = settingsReader(limits)
  const sql = {
    find: db.prepare('SELECT key, metadata FROM queues WHERE project = ? AND name = ?'),
    name: db.prepare('SELECT project, name FROM queues WHERE key = ?'),
    insert: db.prepare('INSERT INTO queues (project, name, metadata) VALUES (?, ?, ?)'),
    update: db.prepare('UPDATE queues SET metadata = ? WHERE key = ?'),
    delete: db.prepare('DELETE FROM queues WHERE key = ?'),
    retire: db.prepare('INSERT INTO retired_queues VALUES (?)'),
    page: db.prepare(
      `SELECT name, metadata FROM queues WHERE project = ? AND name > ? ORDER BY name ${boundLimit}`,
    ),
    count: db.prepare('SELECT count(*) AS count FROM queues WHERE project = ?'),
  }

  // Nobody else changes the database: what was read is true until something is changed here.
  const known = new Map<string, StoredQueue>()

  const find = (queue: QueueName): StoredQueue | undefined => {
    const id = `${queue.project}\0${queue.name}`
    const found = known.get(id) ?? read(queue)
    if (known.size >= maxKnown) known.clear()
    if (found !== undefined) known.set(id, found)
    return found
  }

  const read = (queue: QueueName): StoredQueue | undefined => {
    const row = sql.find.get(queue.project, queue.name)
    if (row === undefined) return undefined
    const metadata = parseMetadata(String(row['metadata']))
    return { ...queue, key: Number(row['key']), metadata, settings: readSettings(metadata) }
  }

  const create = (queue: QueueName, metadata: Metadata): StoredQueue => {
    const { lastInsertRowid } = sql.insert.run(queue.project, queue.name, JSON.stringify(metadata))
    return {
      ...queue,
      key: Number(lastInsertRowid),
      metadata,
      settings: readSettings(metadata),
    }
  }

  /** Takes the queue out of sight at once; what it holds is removed bit by bit (`sweepEnded`). */
  const remove = (queue: StoredQueue): void => {
    known.clear()
    sql.delete.run(queue.key)
    sql.retire.run(queue.key)
  }

  return {
    find,
    create,
    remove,
    /** Changes were undone: what was read meanwhile may never have been. */
    forgetKnown: () => known.clear(),
    findOrCreate: (queue: QueueName): StoredQueue => find(queue) ?? create(queue, {}),
    /** What lets waiters of a queue be found by the key of a message's queue; retired ones have no name. */
    nameOf: (key: number): QueueName | undefined => {
      const row = sql.name.get(key)
      return row && { project: String(row['project']), name: String(row['name']) }
    },
    setMetadata: (key: number, metadata: Metadata): void => {
      known.clear()
      sql.update.run(JSON.stringify(metadata), key)
    },
    /** Empties the queue in one step, however much it holds: under a new key it has no messages and no claims. */
    purge: (queue: StoredQueue): void => {
      remove(queue)
      create(queue, queue.metadata)
    },
    /** Queues of a project by name, after `marker`. */
    page: (project: string, marker: string, limit: number) =>
      sql.page.all(project, marker, limit).map((row) => ({
        name: String(row['name']),
        metadata: parseMetadata(String(row['metadata'])),
      })),
    count: (project: string): number => Number(sql.count.get(project)?.['count']),
  }
}
