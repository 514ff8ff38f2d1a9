import { z } from 'zod'
import { IdempotencyConflictError } from '../errors.ts'
import { Blob } from './database.ts'
import type { Store } from './open-store.ts'

const Row = z.object({ id: z.string(), body_digest: Blob })

/**
 * The id of the command that this key made before. A key lives as long as its command is kept.
 *
 * @throws {IdempotencyConflictError} it was another body.
 */
export function findByIdempotencyKey(
  { database }: Store,
  { instanceId, key, bodyDigest }: { instanceId: string; key: string; bodyDigest: Uint8Array },
): string | undefined {
  const row = database.get(
    Row,
    `SELECT commands.id, body_digest FROM idempotency_keys
     JOIN commands ON commands.seq = idempotency_keys.command_seq
     WHERE idempotency_keys.instance_id = :instanceId AND key = :key`,
    { instanceId, key },
  )
  if (row === undefined) return undefined
  if (Buffer.compare(row.body_digest, bodyDigest) !== 0) throw new IdempotencyConflictError()
  return row.id
}

/**
 * The ids of the commands that this key made for a whole cluster, oldest first.
 *
 * @throws {IdempotencyConflictError} it was another body, or only one instance was asked.
 */
export function findAllByIdempotencyKey(
  { database }: Store,
  { clusterId, key, bodyDigest }: { clusterId: string; key: string; bodyDigest: Uint8Array },
): string[] {
  const rows = database.all(
    Row,
    `SELECT commands.id, body_digest FROM instances
     JOIN idempotency_keys ON idempotency_keys.instance_id = instances.id AND key = :key
     JOIN commands ON commands.seq = idempotency_keys.command_seq
     WHERE instances.cluster_id = :clusterId ORDER BY commands.seq`,
    { clusterId, key },
  )
  for (const row of rows) {
    if (Buffer.compare(row.body_digest, bodyDigest) !== 0) throw new IdempotencyConflictError()
  }
  return rows.map(({ id }) => id)
}

/** Call it inside `write`, with the command's insertion. */
export function insertIdempotencyKey(
  { database }: Store,
  use: { instanceId: string; key: string; bodyDigest: Uint8Array; commandId: string },
): void {
  database.run(
    `INSERT INTO idempotency_keys (instance_id, key, body_digest, command_seq)
     SELECT :instanceId, :key, :bodyDigest, seq FROM commands WHERE id = :commandId`,
    { ...use },
  )
}
