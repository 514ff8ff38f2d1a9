import { z } from 'zod'
import { PublicKey } from '../../protocol/messages/enrolment.ts'
import { Blob, Flag, Moment, toMs } from './database.ts'
import type { Store } from './open-store.ts'

/** An instance that was not forgotten. What is `null` is not known before it enrols. */
export interface Instance {
  id: string
  clusterId: string
  name: string
  createdAt: Date
  commandQueue: string
  instanceUuid: string | null
  enrolledAt: Date | null
  /** A key other than the pinned one may enrol, once. */
  enrolmentAllowed: boolean
  /** RFC 7638 thumbprint of the pinned Ed25519 key. */
  signingKeyId: string | null
  /** X25519: commands are sealed to it. */
  sealingKey: PublicKey | null
  lastSeenAt: Date | null
  reportSequence: number
  agentVersion: string | null
  clockOffsetMs: number | null
  credentialsExpireAt: Date | null
  /** The newest line of its audit log that it has told of. */
  auditHead: AuditHead | null
}

/** A line of an instance's audit log: its number, and its SHA-256. */
export interface AuditHead {
  sequence: number
  hash: string
}

const InstanceRow = z
  .object({
    id: z.string(),
    cluster_id: z.string(),
    name: z.string(),
    created_at: Moment,
    command_queue: z.string(),
    instance_uuid: z.string().nullable(),
    enrolled_at: Moment.nullable(),
    enrolment_allowed: Flag,
    signing_key_id: z.string().nullable(),
    sealing_key: z.string().nullable(),
    last_seen_at: Moment.nullable(),
    report_sequence: z.number(),
    agent_version: z.string().nullable(),
    clock_offset_ms: z.number().nullable(),
    credentials_expire_at: Moment.nullable(),
    audit_sequence: z.number().nullable(),
    audit_hash: z.string().nullable(),
  })
  .transform(
    (row): Instance => ({
      id: row.id,
      clusterId: row.cluster_id,
      name: row.name,
      createdAt: row.created_at,
      commandQueue: row.command_queue,
      instanceUuid: row.instance_uuid,
      enrolledAt: row.enrolled_at,
      enrolmentAllowed: row.enrolment_allowed,
      signingKeyId: row.signing_key_id,
      sealingKey: row.sealing_key === null ? null : PublicKey.parse(JSON.parse(row.sealing_key)),
      lastSeenAt: row.last_seen_at,
      reportSequence: row.report_sequence,
      agentVersion: row.agent_version,
      clockOffsetMs: row.clock_offset_ms,
      credentialsExpireAt: row.credentials_expire_at,
      auditHead:
        row.audit_sequence === null || row.audit_hash === null
          ? null
          : { sequence: row.audit_sequence, hash: row.audit_hash },
    }),
  )

const columns = `id, cluster_id, name, created_at, command_queue, instance_uuid, enrolled_at,
  enrolment_allowed, signing_key_id, sealing_key, last_seen_at, report_sequence, agent_version,
  clock_offset_ms, credentials_expire_at, audit_sequence, audit_hash`

/** By id, whatever its cluster. */
export function readInstance({ database }: Store, id: string): Instance | undefined {
  return database.get(
    InstanceRow,
    `SELECT ${columns} FROM instances WHERE id = :id AND deleted_at IS NULL`,
    { id },
  )
}

/** Whether it is on the books, and not deleted. */
export function isInstance({ database }: Store, id: string): boolean {
  const row = `SELECT id FROM instances WHERE id = :id AND deleted_at IS NULL`
  return database.get(IdRow, row, { id }) !== undefined
}

const IdRow = z.object({ id: z.string() })

/** By name or id, in a cluster. */
export function findInstance(
  { database }: Store,
  clusterId: string,
  nameOrId: string,
): Instance | undefined {
  return database.get(
    InstanceRow,
    `SELECT ${columns} FROM instances
     WHERE cluster_id = :clusterId AND (id = :key OR name = :key) AND deleted_at IS NULL
     ORDER BY id = :key DESC`,
    { clusterId, key: nameOrId },
  )
}

/** By the UUID that it says it has. */
export function findInstanceByUuid(
  { database }: Store,
  clusterId: string,
  instanceUuid: string,
): Instance | undefined {
  return database.get(
    InstanceRow,
    `SELECT ${columns} FROM instances
     WHERE cluster_id = :clusterId AND instance_uuid = :instanceUuid AND deleted_at IS NULL`,
    { clusterId, instanceUuid },
  )
}

/** By its pinned key. */
export function findInstanceByKey(
  { database }: Store,
  clusterId: string,
  signingKeyId: string,
): Instance | undefined {
  return database.get(
    InstanceRow,
    `SELECT ${columns} FROM instances
     WHERE cluster_id = :clusterId AND signing_key_id = :signingKeyId AND deleted_at IS NULL`,
    { clusterId, signingKeyId },
  )
}

/** When an operator had the cluster forget the instance of this key; `undefined` if nobody did. */
export function forgottenAt(
  { database }: Store,
  clusterId: string,
  signingKeyId: string,
): Date | undefined {
  return database.get(
    z.object({ deleted_at: Moment }),
    `SELECT deleted_at FROM instances
     WHERE cluster_id = :clusterId AND signing_key_id = :signingKeyId AND forgotten = 1
     ORDER BY deleted_at DESC`,
    { clusterId, signingKeyId },
  )?.deleted_at
}

/** All of a cluster, by name. */
export function listInstances({ database }: Store, clusterId: string): Instance[] {
  return database.all(
    InstanceRow,
    `SELECT ${columns} FROM instances WHERE cluster_id = :clusterId AND deleted_at IS NULL
     ORDER BY name`,
    { clusterId },
  )
}

/** How many a cluster has, whether they have enrolled or are expected. */
export function countInstances({ database }: Store, clusterId: string): number {
  return (
    database.get(
      Count,
      `SELECT count(*) AS count FROM instances WHERE cluster_id = :clusterId AND deleted_at IS NULL`,
      { clusterId },
    )?.count ?? 0
  )
}

/** How many of a cluster have enrolled. */
export function countEnrolled({ database }: Store, clusterId: string): number {
  return (
    database.get(
      Count,
      `SELECT count(*) AS count FROM instances
       WHERE cluster_id = :clusterId AND deleted_at IS NULL AND enrolled_at IS NOT NULL`,
      { clusterId },
    )?.count ?? 0
  )
}

/** How many of a cluster are expected, and have not enrolled. */
export function countExpected({ database }: Store, clusterId: string): number {
  return (
    database.get(
      Count,
      `SELECT count(*) AS count FROM instances
       WHERE cluster_id = :clusterId AND deleted_at IS NULL AND enrolled_at IS NULL`,
      { clusterId },
    )?.count ?? 0
  )
}

const Count = z.object({ count: z.number() })

/** An instance that is expected. Call it inside `write`. */
export function insertInstance(
  { database }: Store,
  instance: Pick<Instance, 'id' | 'clusterId' | 'name' | 'createdAt' | 'commandQueue'>,
): void {
  database.run(
    `INSERT INTO instances (id, cluster_id, name, created_at, command_queue)
     VALUES (:id, :clusterId, :name, :createdAt, :commandQueue)`,
    {
      id: instance.id,
      clusterId: instance.clusterId,
      name: instance.name,
      createdAt: toMs(instance.createdAt),
      commandQueue: instance.commandQueue,
    },
  )
}

/**
 * Pins the instance's keys. Another key is another journal, which counts its reports from the start. Call it inside `write`.
 */
export function pinInstance(
  { database, key }: Store,
  id: string,
  pinned: {
    instanceUuid: string
    signingKeyId: string
    sealingKey: PublicKey
    reportKey: Uint8Array
    now: Date
  },
): void {
  const { kty, crv, x } = pinned.sealingKey
  database.run(
    `DELETE FROM alerts_taken WHERE instance_id IN
       (SELECT id FROM instances WHERE id = :id AND signing_key_id IS NOT :signingKeyId)`,
    { id, signingKeyId: pinned.signingKeyId },
  )
  database.run(
    `UPDATE instances SET instance_uuid = :instanceUuid, signing_key_id = :signingKeyId,
       sealing_key = :sealingKey, sealed_report_key = :sealedReportKey, enrolled_at = :now,
       last_seen_at = :now, enrolment_allowed = 0,
       audit_sequence = NULL, audit_hash = NULL,
       report_sequence = CASE WHEN signing_key_id = :signingKeyId THEN report_sequence ELSE -1 END
     WHERE id = :id`,
    {
      id,
      instanceUuid: pinned.instanceUuid,
      signingKeyId: pinned.signingKeyId,
      sealingKey: JSON.stringify({ kty, crv, x }),
      sealedReportKey: key.seal(pinned.reportKey, reportKeyPlace(id)),
      now: toMs(pinned.now),
    },
  )
}

/** The key of an instance's reports; `undefined` for one that is unknown, forgotten, or has not enrolled. */
export function readReportKey({ database, key }: Store, id: string): Uint8Array | undefined {
  const row = database.get(
    z.object({ sealed_report_key: Blob.nullable() }),
    `SELECT sealed_report_key FROM instances WHERE id = :id AND deleted_at IS NULL`,
    { id },
  )
  return row?.sealed_report_key ? key.open(row.sealed_report_key, reportKeyPlace(id)) : undefined
}

/** Whether another key may replace the pinned one, once. Call it inside `write`. */
export function setEnrolmentAllowed({ database }: Store, id: string, allowed: boolean): void {
  database.run(`UPDATE instances SET enrolment_allowed = :allowed WHERE id = :id`, {
    id,
    allowed: allowed ? 1 : 0,
  })
}

/**
 * Takes an instance out of use; its row stays for the sake of its commands.
 *
 * @param forgotten an operator wants it gone, so that its key may not come back. Call it inside `write`.
 */
export function markInstanceDeleted(
  { database }: Store,
  id: string,
  { now, forgotten }: { now: Date; forgotten: boolean },
): void {
  database.run(
    `UPDATE instances SET deleted_at = :now, forgotten = :forgotten, sealed_report_key = NULL,
       renew_at = NULL
     WHERE id = :id`,
    { id, now: toMs(now), forgotten: forgotten ? 1 : 0 },
  )
  database.run(`DELETE FROM alerts WHERE instance_id = :id`, { id })
}

/** Something authentic came from it. Call it inside `write`. */
export function markSeen({ database }: Store, id: string, now: Date): void {
  database.run(
    `UPDATE instances SET last_seen_at = max(coalesce(last_seen_at, 0), :now) WHERE id = :id`,
    { id, now: toMs(now) },
  )
}

/** False for a heartbeat that is not newer than those before. Call it inside `write`. */
export function takeHeartbeatSequence({ database }: Store, id: string, sequence: number): boolean {
  return (
    database.run(
      `UPDATE instances SET report_sequence = :sequence WHERE id = :id AND report_sequence < :sequence`,
      { id, sequence },
    ) > 0
  )
}

/** Call it inside `write`. */
export function noteHeartbeat(
  { database }: Store,
  id: string,
  { agentVersion, clockOffsetMs }: { agentVersion: string; clockOffsetMs: number },
): void {
  database.run(
    `UPDATE instances SET agent_version = :agentVersion, clock_offset_ms = :clockOffsetMs WHERE id = :id`,
    { id, agentVersion, clockOffsetMs },
  )
}

/** Call it inside `write`. */
export function noteAuditHead(
  { database }: Store,
  id: string,
  { sequence, hash }: AuditHead,
): void {
  database.run(
    `UPDATE instances SET audit_sequence = :sequence, audit_hash = :hash WHERE id = :id`,
    { id, sequence, hash },
  )
}

/** Its agent has asked for credentials. Call it inside `write`. */
export function noteAgent(
  store: Store,
  id: string,
  { agentVersion, now }: { agentVersion: string; now: Date },
): void {
  store.database.run(`UPDATE instances SET agent_version = :agentVersion WHERE id = :id`, {
    id,
    agentVersion,
  })
  markSeen(store, id, now)
}

function reportKeyPlace(id: string): string {
  return `instances.sealed_report_key:${id}`
}
