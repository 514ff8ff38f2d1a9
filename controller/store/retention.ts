import { z } from 'zod'
import { Moment, toMs } from './database.ts'
import type { Store } from './open-store.ts'

/** Rows that one change removes at most, so that no sweep holds up the requests for long. */
const sweepLimit = 200

/** Removes commands that ended before a moment, some at a time; true when there may be more. Call it inside `write`. */
export function removeOldCommands({ database }: Store, before: Date): boolean {
  return (
    database.run(
      `DELETE FROM commands WHERE seq IN
         (SELECT seq FROM commands WHERE ended_at < :before ORDER BY ended_at LIMIT ${sweepLimit})`,
      { before: toMs(before) },
    ) === sweepLimit
  )
}

/**
 * Removes the output of the commands that ended first until what ended commands have together fits the bound; true
 * when there may be more to remove. Call it inside `write`.
 */
export function removeOldOutput({ database }: Store, limitBytes: number): boolean {
  const total = database.get(
    z.object({ bytes: z.number() }),
    `SELECT coalesce(sum(output_bytes), 0) AS bytes FROM commands
     WHERE ended_at IS NOT NULL AND output_removed = 0`,
  )
  if (!total || total.bytes <= limitBytes) return false
  const oldest = database.get(
    z.object({ seq: z.number(), ended_at: Moment }),
    `SELECT seq, ended_at FROM commands
     WHERE ended_at IS NOT NULL AND output_removed = 0 AND output_bytes > 0 ORDER BY ended_at LIMIT 1`,
  )
  if (!oldest) return false
  database.run(`DELETE FROM output WHERE command_seq = :seq`, { seq: oldest.seq })
  database.run(`UPDATE commands SET output_removed = 1 WHERE seq = :seq`, { seq: oldest.seq })
  return true
}

/**
 * Removes instances and clusters that were deleted, once no command speaks of them. A forgotten instance stays as long as
 * its cluster does, so that its key cannot come back. Call it inside `write`.
 */
export function removeDeletedParents({ database }: Store, before: Date): void {
  const parameters = { before: toMs(before) }
  database.run(
    `DELETE FROM instances WHERE deleted_at < :before
       AND (forgotten = 0 OR cluster_id IN (SELECT id FROM clusters WHERE deleted_at IS NOT NULL))
       AND NOT EXISTS (SELECT 1 FROM commands WHERE instance_id = instances.id)`,
    parameters,
  )
  database.run(
    `DELETE FROM clusters WHERE deleted_at < :before
       AND NOT EXISTS (SELECT 1 FROM instances WHERE cluster_id = clusters.id)
       AND NOT EXISTS (SELECT 1 FROM commands WHERE cluster_id = clusters.id)`,
    parameters,
  )
}
