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

/** What the controller saw itself first, all of it, then the newest `limit` that the agent reported; each the newest first. */
export function listAlerts({ database }: Store, instanceId: string, limit: number): Alert[] {
  return database.all(
    z.object({ at: Moment, code: z.string(), message: z.string() }),
    `SELECT at, code, message FROM alerts WHERE instance_id = :instanceId AND (reported = 0 OR id IN
       (SELECT id FROM alerts WHERE instance_id = :instanceId AND reported = 1 ORDER BY id DESC LIMIT :limit))
     ORDER BY reported, id DESC`,
    { instanceId, limit },
  )
}

/** Of what the controller saw itself, for each instance and code: codes are few, and what they say may be a knocker's. */
const keptPerCode = 5

/**
 * Keeps an alert that the controller raises. Nothing that a guest reports, and no alert of another code, pushes it out: whoever
 * enrolled with stolen user-data cannot hide that the right instance was refused. Call it inside `write`.
 */
export function raiseAlert({ database }: Store, instanceId: string, alert: Alert): void {
  const { at, code, message } = alert
  const repeated = database.run(
    `UPDATE alerts SET at = :at
     WHERE instance_id = :instanceId AND reported = 0 AND code = :code AND message = :message`,
    { instanceId, at: toMs(at), code, message },
  )
  if (repeated > 0) return
  insertAlert({ database }, instanceId, alert, 0)
  database.run(
    `DELETE FROM alerts WHERE instance_id = :instanceId AND reported = 0 AND code = :code AND id NOT IN
       (SELECT id FROM alerts WHERE instance_id = :instanceId AND reported = 0 AND code = :code
        ORDER BY id DESC LIMIT ${keptPerCode})`,
    { instanceId, code },
  )
}

/**
 * Keeps the newest `keep` that an instance's agent reported. One that repeats the newest only moves its time. Call it inside
 * `write`.
 */
export function keepReportedAlert(
  { database }: Store,
  instanceId: string,
  alert: Alert,
  keep: number,
): void {
  const { at, code, message } = alert
  const repeated = database.run(
    `UPDATE alerts SET at = :at WHERE code = :code AND message = :message
       AND id = (SELECT max(id) FROM alerts WHERE instance_id = :instanceId AND reported = 1)`,
    { instanceId, at: toMs(at), code, message },
  )
  if (repeated > 0) return
  insertAlert({ database }, instanceId, alert, 1)
  database.run(
    `DELETE FROM alerts WHERE instance_id = :instanceId AND reported = 1 AND id NOT IN
       (SELECT id FROM alerts WHERE instance_id = :instanceId AND reported = 1
        ORDER BY id DESC LIMIT :keep)`,
    { instanceId, keep },
  )
}

/** So many are remembered for each instance. What is older than all of them counts as seen. */
const rememberedSequences = 256

/**
 * Takes an agent's alert once, whatever the order in which they come: a queue that delivers again delivers late. False for one
 * that was taken before, or is too old to tell. Call it inside `write`.
 */
export function takeAlertSequence(
  { database }: Store,
  instanceId: string,
  sequence: number,
): boolean {
  const taken = database.run(
    `INSERT OR IGNORE INTO alerts_taken (instance_id, sequence)
     SELECT :instanceId, :sequence WHERE :sequence >= coalesce(
       (SELECT sequence FROM alerts_taken WHERE instance_id = :instanceId
        ORDER BY sequence DESC LIMIT 1 OFFSET ${rememberedSequences - 1}), 0)`,
    { instanceId, sequence },
  )
  if (taken === 0) return false
  database.run(
    `DELETE FROM alerts_taken WHERE instance_id = :instanceId AND sequence <
       (SELECT sequence FROM alerts_taken WHERE instance_id = :instanceId
        ORDER BY sequence DESC LIMIT 1 OFFSET ${rememberedSequences - 1})`,
    { instanceId },
  )
  return true
}

function insertAlert(
  { database }: Pick<Store, 'database'>,
  instanceId: string,
  { at, code, message }: Alert,
  reported: 0 | 1,
): void {
  database.run(
    // None for one that is gone: nobody would see it, and its row could never be removed.
    `INSERT INTO alerts (instance_id, at, code, message, reported)
     SELECT id, :at, :code, :message, :reported FROM instances
     WHERE id = :instanceId AND deleted_at IS NULL`,
    { instanceId, at: toMs(at), code, message, reported },
  )
}
