import { z } from 'zod'
import { InstanceUuid } from '../../protocol/messages/enrolment.ts'
import {
  cancelShape,
  execShape,
  httpShape,
  pingShape,
  readShape,
  writeShape,
} from '../../protocol/messages/operations.ts'
import { OutputStream, Result } from '../../protocol/messages/replies.ts'
import { NewSecrets } from '../../protocol/messages/secrets.ts'
import { Bytes, Instant, Name, Sha256 } from '../../protocol/messages/wire-types.ts'

/**
 * The controller's local HTTP API, version 1: every body that it takes or gives. What people write is strict, so that a
 * misspelt key is an error that names the key; times are ISO 8601 in UTC.
 *
 * | method and path | body | answer |
 * | --- | --- | --- |
 * | GET /v1/openapi.json | | this API, as an OpenAPI 3.1 document |
 * | GET /v1/status | | 200 ControllerStatus |
 * | GET /v1/metrics | | 200 text/plain: Prometheus' text format (docs/observability.md) |
 * | POST /v1/clusters | NewCluster | 201 Cluster; 409 the name is taken |
 * | GET /v1/clusters | | 200 {clusters: Cluster[]} |
 * | GET /v1/clusters/{cluster} | | 200 Cluster; {cluster} is a name or an id |
 * | DELETE /v1/clusters/{cluster} | | 204; open commands end as `cancelled` (never taken) or `lost`; its queues are deleted |
 * | POST /v1/clusters/{cluster}/user-data | UserDataRequest | 201 UserData |
 * | POST /v1/clusters/{cluster}/challenges | ChallengeRequest | 200 Challenge: what an instance finds in its server's metadata |
 * | GET /v1/clusters/{cluster}/instances | | 200 {instances: Instance[]} |
 * | GET /v1/clusters/{cluster}/instances/{instance} | | 200 Instance |
 * | DELETE /v1/clusters/{cluster}/instances/{instance} | | 204; its queue is retired, what still arrives under its name is ignored |
 * | POST /v1/clusters/{cluster}/instances/{instance}/allow-enrolment | | 200 Instance; lets a new key replace the pinned one, once |
 * | DELETE /v1/clusters/{cluster}/instances/{instance}/allow-enrolment | | 200 Instance; takes that back |
 * | POST /v1/contents | application/octet-stream | 201 StoredContent; kept until no open command uses it and an hour has passed |
 * | POST /v1/clusters/{cluster}/instances/{instance}/commands | NewCommand; header Idempotency-Key | 202 CommandRecord (200 the same one when the key was used before; 409 when it was used with another body) |
 * | POST /v1/clusters/{cluster}/commands | NewCommand; header Idempotency-Key | 202 CommandsOnAll: a command for each enrolled instance, all or none, and who was left out (200 the same commands, and 409, as above) |
 * | GET /v1/commands?cluster=&instance=&state=&limit=&before= | | 200 {commands: CommandRecord[]}, newest first; `before` is an id |
 * | GET /v1/commands/{id}?wait=SECONDS | | 200 CommandRecord; waits for its end, at most 300 s |
 * | GET /v1/commands/{id}/output?offset=N&follow=true | | 200 application/x-ndjson of OutputLine, in order; with follow until the command's end |
 * | GET /v1/commands/{id}/output?stream=stdout&offset=N&follow=true | | 200 application/octet-stream: that stream's bytes alone, `offset` counted in that stream |
 * | POST /v1/commands/{id}/stdin?offset=N&end=true | application/octet-stream, at most 180 KiB | 202 CommandRecord of the `stdin` command |
 * | POST /v1/commands/{id}/cancel | CancelRequest | 202 CommandRecord (of the command that is being cancelled) |
 *
 * Errors are `application/problem+json` (RFC 9457) with `code` (docs/errors.md), `title`, `detail`, `status`, and
 * `errors: [{path, message}]` for a body that breaks its schema.
 */
export const apiVersion = 'v1'

export const NewCluster = z.strictObject({ name: Name })

export const Cluster = z.object({
  id: z.uuid(),
  name: Name,
  createdAt: Instant,
  /** Enrolled instances. */
  instances: z.int(),
  /** Those that user-data was made for, and that have not enrolled. */
  expectedInstances: z.int().default(0),
  /** Commands that have not ended. */
  openCommands: z.int(),
})
export type Cluster = z.output<typeof Cluster>

export const UserDataRequest = z.strictObject({
  /** For one instance only: its name and a one-time secret are in it. Without: for any instance of the cluster, which is named by its host name. */
  instance: z.exactOptional(Name),
  format: z.enum(['cloud-config', 'script']).default('cloud-config'),
  /** How long an instance may take to enrol, and to come back to the lobby, in days. */
  validDays: z.int().min(1).max(3650).default(365),
  /** Let in only who also shows its challenge (`POST .../challenges`), which whoever controls its Nova server puts into its metadata. */
  challenge: z.boolean().default(false),
})
export const ChallengeRequest = z.strictObject({ instanceUuid: InstanceUuid })
/** Goes into the server's metadata under `key`; `required`: some of the cluster's user-data asks for it. The same at each request. */
export const Challenge = z.object({ key: z.string(), challenge: z.string(), required: z.boolean() })

export const UserData = z.object({ format: z.string(), userData: z.string(), expiresAt: Instant })

/**
 * `expected`: user-data was made for it. `enrolled`: its key is pinned. `silent` is an enrolled one from which three
 * heartbeats in a row did not come.
 */
export const InstanceState = z.enum(['expected', 'enrolled', 'silent'])

export const Instance = z.object({
  id: z.uuid(),
  name: Name,
  cluster: z.string(),
  state: InstanceState,
  instanceUuid: z.string().nullable(),
  enrolledAt: Instant.nullable(),
  /** Another key may replace the pinned one, once (`allow-enrolment`). */
  enrolmentAllowed: z.boolean().default(false),
  lastSeenAt: Instant.nullable(),
  agentVersion: z.string().nullable(),
  clockOffsetMs: z.number().nullable(),
  credentialsExpireAt: Instant.nullable(),
  /** The newest line of its audit log that it has told of: number and SHA-256. */
  auditHead: z.object({ sequence: z.int(), hash: z.string() }).nullable().default(null),
  openCommands: z.int(),
  /** What the controller saw first (refused enrolments and the like, 5 of each code), then at most 20 that the agent reported; each the newest first. */
  alerts: z.array(z.object({ at: Instant, code: z.string(), message: z.string() })),
})
export type Instance = z.output<typeof Instance>

/** As the controller takes it: secrets are sealed here (`commands/seal-secrets.ts`). */
const RequestedExec = z.strictObject({ ...execShape, secrets: z.exactOptional(NewSecrets) })

/** What a person may ask for; `stdin` and `credentials` have ways of their own. */
export const RequestedOperation = z.discriminatedUnion('name', [
  RequestedExec,
  z.strictObject(writeShape),
  z.strictObject(readShape),
  z.strictObject(httpShape),
  z.strictObject(cancelShape),
  z.strictObject(pingShape),
])

export const NewCommand = z.strictObject({
  operation: RequestedOperation,
  /** How long it may run once begun, in seconds. */
  timeoutSeconds: z.number().min(0.001).max(2_592_000).default(3600),
  /** How long it may print nothing, in seconds. */
  silenceSeconds: z.exactOptional(z.number().min(0.001).max(2_592_000)),
  /** How long it may wait to be begun, in seconds. */
  startWithinSeconds: z.number().min(0.001).max(2_592_000).default(3600),
  graceSeconds: z.number().min(0).max(3600).default(10),
  idempotent: z.boolean().default(false),
  lane: z.exactOptional(z.string().min(1).max(64)),
  /** Content stored before with POST /v1/contents, by its digest, or small content right here (at most 128 KiB). */
  content: z.exactOptional(
    z.union([z.strictObject({ sha256: Sha256 }), z.strictObject({ bytes: Bytes })]),
  ),
})
export type NewCommand = z.output<typeof NewCommand>

/**
 * `queued`: stored here. `posted`: on the instance's command queue. `accepted`: in the agent's journal. Then one of the
 * end states, or `lost`: no word from the agent until some time after the command's own deadline.
 */
export const CommandState = z.enum([
  'queued',
  'posted',
  'accepted',
  'succeeded',
  'failed',
  'refused',
  'timed-out',
  'cancelled',
  'interrupted',
  'expired',
  'lost',
])
export type CommandState = z.output<typeof CommandState>

export const CommandRecord = z.object({
  id: z.uuid(),
  cluster: z.string(),
  instance: z.string(),
  /** The operation as it was asked for, with environment values, secrets and content left out. */
  operation: z.looseObject({ name: z.string() }),
  state: CommandState,
  ended: z.boolean(),
  createdAt: Instant,
  postedAt: Instant.nullable(),
  acceptedAt: Instant.nullable(),
  endedAt: Instant.nullable(),
  startBy: Instant,
  deadline: Instant,
  cancelRequested: z.boolean(),
  /** Bytes of output received so far, without a hole. */
  outputBytes: z.int(),
  /** False while output is missing that the result has announced. */
  outputComplete: z.boolean(),
  result: Result.nullable(),
})
export type CommandRecord = z.output<typeof CommandRecord>

/** An instance of the cluster that got no command, and why: a stable code in kebab-case, and words for people. */
export const LeftOut = z.object({
  instance: z.string(),
  reason: z.object({ code: z.string(), message: z.string() }),
})
export type LeftOut = z.output<typeof LeftOut>

/** What becomes of a command for a whole cluster. */
export const CommandsOnAll = z.object({
  commands: z.array(CommandRecord),
  leftOut: z.array(LeftOut).default([]),
})

export const CancelRequest = z.strictObject({
  graceSeconds: z.number().min(0).max(3600).default(10),
})
export const StoredContent = z.object({ sha256: Sha256, size: z.int() })
export const OutputLine = z.object({ offset: z.int(), stream: OutputStream, bytes: Bytes })

export const ControllerStatus = z.object({
  version: z.string(),
  queueUrl: z.string(),
  /** It answers, and lets us in. */
  queueReachable: z.boolean(),
  /** Why not; `refused`: it answers, and says no. */
  queueProblem: z
    .object({ refused: z.boolean(), code: z.string(), message: z.string() })
    .nullable()
    .default(null),
  clusters: z.int(),
  /** Enrolled instances. */
  instances: z.int(),
  expectedInstances: z.int().default(0),
  openCommands: z.int(),
})
export type ControllerStatus = z.output<typeof ControllerStatus>

export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
})
