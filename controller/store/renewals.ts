import { z } from 'zod'
import { Moment, toMs } from './database.ts'
import type { Store } from './open-store.ts'

/**
 * Notes when an instance's signed URLs end, and when to send new ones. Call it inside `write`.
 *
 * A renewal that is to come stays when it was: a hello that is replayed to a controller which has just been started could
 * put it off until the URLs that the instance really has are at their end.
 */
export function noteCredentials(
  { database }: Store,
  instanceId: string,
  { expireAt, renewAt, now }: { expireAt: Date; renewAt: Date; now: Date },
): void {
  database.run(
    `UPDATE instances SET credentials_expire_at = :expireAt,
       renew_at = CASE WHEN renew_at > :now AND renew_at < :renewAt THEN renew_at ELSE :renewAt END
     WHERE id = :instanceId`,
    { instanceId, expireAt: toMs(expireAt), renewAt: toMs(renewAt), now: toMs(now) },
  )
}

/** When the next renewal is due among instances that were heard of since `seenSince`. */
export function nextRenewalAt({ database }: Store, seenSince: Date): Date | undefined {
  return database.get(
    z.object({ renew_at: Moment }),
    `SELECT renew_at FROM instances
     WHERE deleted_at IS NULL AND renew_at IS NOT NULL AND last_seen_at >= :seenSince
     ORDER BY renew_at LIMIT 1`,
    { seenSince: toMs(seenSince) },
  )?.renew_at
}

/** Instances whose signed URLs are to be renewed, a hundred at most, the most urgent first. */
export function listRenewalsDue({ database }: Store, now: Date, seenSince: Date): string[] {
  return database
    .all(
      z.object({ id: z.string() }),
      `SELECT id FROM instances
       WHERE deleted_at IS NULL AND renew_at <= :now AND last_seen_at >= :seenSince
       ORDER BY renew_at LIMIT 100`,
      { now: toMs(now), seenSince: toMs(seenSince) },
    )
    .map(({ id }) => id)
}
