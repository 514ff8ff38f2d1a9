import { z } from 'zod'
import { Moment, toMs } from './database.ts'
import type { Store } from './open-store.ts'

/**
 * Notes that a queue is to be deleted: now, and again when the last signed URL for it has ended, as whoever holds one
 * can bring the queue back by posting to it. Call it inside `write`.
 */
export function retireQueue(
  { database }: Store,
  name: string,
  { now, signedUntil }: { now: Date; signedUntil: Date },
): void {
  database.run(
    `INSERT OR IGNORE INTO retired_queues (name, delete_at, signed_until)
     VALUES (:name, :now, :signedUntil)`,
    { name, now: toMs(now), signedUntil: toMs(signedUntil) },
  )
}

export function nextRetirementAt({ database }: Store): Date | undefined {
  return database.get(
    z.object({ delete_at: Moment }),
    `SELECT delete_at FROM retired_queues ORDER BY delete_at LIMIT 1`,
  )?.delete_at
}

export function listRetirementsDue({ database }: Store, now: Date): string[] {
  return database
    .all(
      z.object({ name: z.string() }),
      `SELECT name FROM retired_queues WHERE delete_at <= :now ORDER BY delete_at LIMIT 100`,
      { now: toMs(now) },
    )
    .map(({ name }) => name)
}

/** The queue was deleted; it is looked at once more after its last signed URL. Call it inside `write`. */
export function noteQueueDeleted({ database }: Store, name: string, now: Date): void {
  database.run(`DELETE FROM retired_queues WHERE name = :name AND signed_until <= :now`, {
    name,
    now: toMs(now),
  })
  database.run(`UPDATE retired_queues SET delete_at = signed_until WHERE name = :name`, { name })
}
