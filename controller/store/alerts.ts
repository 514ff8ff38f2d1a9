import { z } from 'zod'
import { Moment, toMs } from './database.ts'
import type { Store } from './open-store.ts'

/** Something about an instance that a person should look at. */
export interface Alert {
  at: Date
  /** Stable, in kebab-case. */
  code: string
  message: string
}

/** The newest first. */
export function listAlerts({ database }: Store, instanceId: string, limit: number): Alert[] {
  return database.all(
    z.object({ at: Moment, code: z.string(), message: z.string() }),
    `SELECT at, code, message FROM alerts WHERE instance_id = :instanceId ORDER BY id DESC LIMIT :limit`,
    { instanceId, limit },
  )
}

/**
 * Keeps the newest `keep` of an instance. One that repeats the newest only moves its time, so that a knocker cannot
 * push the others out. Call it inside `write`.
 */
export function insertAlert(
  { database }: Store,
  instanceId: string,
  { at, code, message }: Alert,
  keep: number,
): void {
  const repeated = database.run(
    `UPDATE alerts SET at = :at WHERE code = :code AND message = :message
       AND id = (SELECT max(id) FROM alerts WHERE instance_id = :instanceId)`,
    { instanceId, at: toMs(at), code, message },
  )
  if (repeated > 0) return
  database.run(
    `INSERT INTO alerts (instance_id, at, code, message) VALUES (:instanceId, :at, :code, :message)`,
    { instanceId, at: toMs(at), code, message },
  )
  database.run(
    `DELETE FROM alerts WHERE instance_id = :instanceId AND id NOT IN
       (SELECT id FROM alerts WHERE instance_id = :instanceId ORDER BY id DESC LIMIT :keep)`,
    { instanceId, keep },
  )
}
