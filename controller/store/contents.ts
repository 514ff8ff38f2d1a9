import { z } from 'zod'
import { toMs } from './database.ts'
import type { Store } from './open-store.ts'

/** The size of a stored content in bytes; `undefined` if it is not stored. */
export function contentSize({ database }: Store, sha256: string): number | undefined {
  return database.get(
    z.object({ size: z.number() }),
    `SELECT size FROM contents WHERE sha256 = :sha256`,
    { sha256 },
  )?.size
}

/** Notes that a content is stored, or used again. Call it inside `write`. */
export function noteContent(
  { database }: Store,
  { sha256, size, now }: { sha256: string; size: number; now: Date },
): void {
  database.run(
    `INSERT INTO contents (sha256, size, used_at) VALUES (:sha256, :size, :now)
     ON CONFLICT (sha256) DO UPDATE SET used_at = :now`,
    { sha256, size, now: toMs(now) },
  )
}

/** Takes contents off the books that no open command uses and nobody has used since `before`; the files are the caller's. */
export function forgetUnusedContents({ database }: Store, before: Date): string[] {
  return database
    .all(
      z.object({ sha256: z.string() }),
      `DELETE FROM contents WHERE used_at < :before AND NOT EXISTS
         (SELECT 1 FROM commands WHERE content_sha256 = contents.sha256 AND ended_at IS NULL)
       RETURNING sha256`,
      { before: toMs(before) },
    )
    .map(({ sha256 }) => sha256)
}
