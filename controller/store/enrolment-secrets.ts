import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Flag, Moment, toMs } from './database.ts'
import type { Store } from './open-store.ts'

/** A secret that user-data carries; only its digest is kept. It is 256 random bits, so that a plain digest gives nothing away. */
export interface EnrolmentSecret {
  clusterId: string
  /** The instance that it is for; `null`: any of the cluster. */
  instanceName: string | null
  /** It counts only together with the instance's challenge. */
  needsChallenge: boolean
  createdAt: Date
  expiresAt: Date
}

const SecretRow = z
  .object({
    cluster_id: z.string(),
    instance_name: z.string().nullable(),
    needs_challenge: Flag,
    created_at: Moment,
    expires_at: Moment,
  })
  .transform(
    (row): EnrolmentSecret => ({
      clusterId: row.cluster_id,
      instanceName: row.instance_name,
      needsChallenge: row.needs_challenge,
      createdAt: row.created_at,
      expiresAt: row.expires_at,
    }),
  )

/** Looked up by digest, so that the time it takes says nothing about the secret. */
export function findEnrolmentSecret(
  { database }: Store,
  secret: Uint8Array,
): EnrolmentSecret | undefined {
  return database.get(
    SecretRow,
    `SELECT cluster_id, instance_name, needs_challenge, created_at, expires_at FROM enrolment_secrets
     WHERE sha256 = :sha256`,
    { sha256: digest(secret) },
  )
}

/** Call it inside `write`. */
export function insertEnrolmentSecret(
  { database }: Store,
  secret: Uint8Array,
  row: EnrolmentSecret,
): void {
  database.run(
    `INSERT INTO enrolment_secrets (sha256, cluster_id, instance_name, needs_challenge, created_at, expires_at)
     VALUES (:sha256, :clusterId, :instanceName, :needsChallenge, :createdAt, :expiresAt)`,
    {
      sha256: digest(secret),
      clusterId: row.clusterId,
      instanceName: row.instanceName,
      needsChallenge: row.needsChallenge ? 1 : 0,
      createdAt: toMs(row.createdAt),
      expiresAt: toMs(row.expiresAt),
    },
  )
}

/** When the last of a cluster's secrets ends, and with it the signed URLs in its user-data. */
export function lastSecretExpiry({ database }: Store, clusterId: string): Date | undefined {
  return database.get(
    z.object({ expires_at: Moment }),
    `SELECT expires_at FROM enrolment_secrets WHERE cluster_id = :clusterId
     ORDER BY expires_at DESC LIMIT 1`,
    { clusterId },
  )?.expires_at
}

/** Whether one of a cluster's secrets counts only together with a challenge. */
export function anyNeedsChallenge({ database }: Store, clusterId: string): boolean {
  const found = database.get(
    z.object({ found: z.number() }),
    `SELECT 1 AS found FROM enrolment_secrets WHERE cluster_id = :clusterId AND needs_challenge = 1 LIMIT 1`,
    { clusterId },
  )
  return found !== undefined
}

/** The secrets of a forgotten instance's user-data enrol nobody any more. Call it inside `write`. */
export function deleteEnrolmentSecrets(
  { database }: Store,
  clusterId: string,
  instanceName: string,
): void {
  database.run(
    `DELETE FROM enrolment_secrets WHERE cluster_id = :clusterId AND instance_name = :instanceName`,
    { clusterId, instanceName },
  )
}

/** Call it inside `write`. */
export function deleteExpiredSecrets({ database }: Store, now: Date): void {
  database.run(`DELETE FROM enrolment_secrets WHERE expires_at < :now`, { now: toMs(now) })
}

function digest(secret: Uint8Array): Uint8Array {
  return createHash('sha256').update(secret).digest()
}
