import { toMs } from './database.ts'
import type { Store } from './open-store.ts'

/** Rows that one change removes at most, so that no sweep holds up the requests for long; 200 pieces of output are 36 MiB. */
const sweepLimit = 200

/** Removes commands that ended before a moment, some at a time; true when there may be more. Call it inside `write`. */
export function removeOldCommands({ database }: Store, before: Date): boolean {
  const parameters = { before: toMs(before) }
  const pieces = database.run(
    `DELETE FROM output WHERE id IN
       (SELECT output.id FROM output JOIN commands ON commands.seq = output.command_seq
        WHERE ended_at < :before LIMIT ${sweepLimit})`,
    parameters,
  )
  if (pieces === sweepLimit) return true
  return (
    database.run(
      `DELETE FROM commands WHERE seq IN
         (SELECT seq FROM commands WHERE ended_at < :before ORDER BY ended_at LIMIT ${sweepLimit})`,
      parameters,
    ) === sweepLimit
  )
}

/**
 * Gives up the output of the commands that ended first, until what ended commands have together fits the bound. The
 * pieces themselves go by `removeUnwantedOutput`. Call it inside `write`.
 */
export function giveUpOldOutput({ database }: Store, limitBytes: number): void {
  database.run(
    `UPDATE commands SET output_removed = 1 WHERE seq IN (
       SELECT seq FROM (
         SELECT seq, sum(output_bytes) OVER (ORDER BY ended_at DESC, seq DESC) AS newer_bytes
         FROM commands WHERE ended_at IS NOT NULL AND output_removed = 0 AND output_bytes > 0
       ) WHERE newer_bytes > :limitBytes)`,
    { limitBytes },
  )
}

/** Removes pieces of output that were given up, some at a time; true when there may be more. Call it inside `write`. */
export function removeUnwantedOutput({ database }: Store): boolean {
  return (
    database.run(
      `DELETE FROM output WHERE id IN
         (SELECT output.id FROM output JOIN commands ON commands.seq = output.command_seq
          WHERE output_removed = 1 LIMIT ${sweepLimit})`,
    ) === sweepLimit
  )
}

/**
 * Removes instances and clusters that were deleted, once no command speaks of them. A forgotten instance stays as long as
 * its cluster does, so that its key cannot come back. Call it inside `write`.
 */
export function removeDeletedParents({ database }: Store, before: Date): void {
  const parameters = { before: toMs(before) }
  // An earlier version kept alerts that came when their instance was gone.
  database.run(
    `DELETE FROM alerts WHERE instance_id IN (SELECT id FROM instances WHERE deleted_at < :before)`,
    parameters,
  )
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
