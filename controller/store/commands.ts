import { z } from 'zod'
import { Result } from '../../protocol/messages/replies.ts'
import { CommandState } from '../api/resources.ts'
import { Flag, Moment, toMs } from './database.ts'
import type { Store } from './open-store.ts'

/** A command as it is kept, without its secrets (`command-secrets.ts`). */
export interface StoredCommand {
  /** Grows with each command: the order in which they were taken on. */
  seq: number
  id: string
  clusterId: string
  instanceId: string
  clusterName: string
  instanceName: string
  /** Made by the controller itself (`cancel`, `credentials`), or a piece of input: not listed. */
  hidden: boolean
  /** The command that a `cancel` or `stdin` is about. */
  targetId: string | null
  /** The operation, with environment values and content left out. */
  shown: { name: string }
  state: CommandState
  /** It may be on the command queue, though nothing confirmed it. */
  mayHaveLeft: boolean
  createdAt: Date
  startBy: Date
  deadline: Date
  /** When the controller has to look at it again; `null`: never. */
  dueAt: Date | null
  postedAt: Date | null
  acceptedAt: Date | null
  endedAt: Date | null
  cancelRequested: boolean
  contentSha256: string | null
  contentSize: number
  /** Content that the agent has, from the first byte on without a hole. */
  contentTaken: number
  /** Output received from the first byte on without a hole, all streams together. */
  outputBytes: number
  /** Output that waits for a hole before it to be filled. */
  waitingBytes: number
  waitingPieces: number
  /** All announced output is here, and its digests are right. */
  outputComplete: boolean
  /** No more output is waited for. */
  outputSettled: boolean
  /** The output was removed after its time of retention. */
  outputRemoved: boolean
  result: Result | null
}

const Json = z.string().transform((text): unknown => JSON.parse(text))

const CommandRow = z
  .object({
    seq: z.number(),
    id: z.string(),
    cluster_id: z.string(),
    instance_id: z.string(),
    cluster_name: z.string(),
    instance_name: z.string(),
    hidden: Flag,
    target_id: z.string().nullable(),
    shown: Json.pipe(z.looseObject({ name: z.string() })),
    state: CommandState,
    may_have_left: Flag,
    created_at: Moment,
    start_by: Moment,
    deadline: Moment,
    due_at: Moment.nullable(),
    posted_at: Moment.nullable(),
    accepted_at: Moment.nullable(),
    ended_at: Moment.nullable(),
    cancel_requested: Flag,
    content_sha256: z.string().nullable(),
    content_size: z.number(),
    content_taken: z.number(),
    output_bytes: z.number(),
    waiting_bytes: z.number(),
    waiting_pieces: z.number(),
    output_complete: Flag,
    output_settled: Flag,
    output_removed: Flag,
    result: Json.pipe(Result).nullable(),
  })
  .transform(
    (row): StoredCommand => ({
      seq: row.seq,
      id: row.id,
      clusterId: row.cluster_id,
      instanceId: row.instance_id,
      clusterName: row.cluster_name,
      instanceName: row.instance_name,
      hidden: row.hidden,
      targetId: row.target_id,
      shown: row.shown,
      state: row.state,
      mayHaveLeft: row.may_have_left,
      createdAt: row.created_at,
      startBy: row.start_by,
      deadline: row.deadline,
      dueAt: row.due_at,
      postedAt: row.posted_at,
      acceptedAt: row.accepted_at,
      endedAt: row.ended_at,
      cancelRequested: row.cancel_requested,
      contentSha256: row.content_sha256,
      contentSize: row.content_size,
      contentTaken: row.content_taken,
      outputBytes: row.output_bytes,
      waitingBytes: row.waiting_bytes,
      waitingPieces: row.waiting_pieces,
      outputComplete: row.output_complete,
      outputSettled: row.output_settled,
      outputRemoved: row.output_removed,
      result: row.result,
    }),
  )

const selectCommand = `
  SELECT commands.seq, commands.id, commands.cluster_id, commands.instance_id,
    clusters.name AS cluster_name, instances.name AS instance_name, hidden, target_id, shown, state,
    may_have_left, commands.created_at, start_by, deadline, due_at, posted_at, accepted_at, ended_at,
    cancel_requested, content_sha256, content_size, content_taken, output_bytes, waiting_bytes, waiting_pieces,
    output_complete, output_settled, output_removed, result
  FROM commands JOIN clusters ON clusters.id = commands.cluster_id
    JOIN instances ON instances.id = commands.instance_id`

export function readCommand({ database }: Store, id: string): StoredCommand | undefined {
  return database.get(CommandRow, `${selectCommand} WHERE commands.id = :id`, { id })
}

/** Whether there is such a command, and it has not ended. */
export function isOpenCommand({ database }: Store, id: string): boolean {
  const open = `SELECT id FROM commands WHERE id = :id AND ended_at IS NULL`
  return database.get(IdRow, open, { id }) !== undefined
}

const IdRow = z.object({ id: z.string() })

/** What a listing is narrowed to. */
export interface CommandFilter {
  clusterId?: string | undefined
  instanceId?: string | undefined
  state?: CommandState | undefined
  /** Only older ones than the command with this id. */
  before?: string | undefined
  limit: number
}

/** The newest first, without the hidden ones. */
export function listCommands({ database }: Store, filter: CommandFilter): StoredCommand[] {
  const conditions = [
    'hidden = 0',
    filter.clusterId === undefined ? undefined : 'commands.cluster_id = :clusterId',
    filter.instanceId === undefined ? undefined : 'commands.instance_id = :instanceId',
    filter.state === undefined ? undefined : 'state = :state',
    filter.before === undefined
      ? undefined
      : 'commands.seq < (SELECT seq FROM commands WHERE id = :before)',
  ].filter((condition) => condition !== undefined)
  const { limit, ...rest } = filter
  const given = Object.entries(rest).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  return database.all(
    CommandRow,
    `${selectCommand} WHERE ${conditions.join(' AND ')} ORDER BY commands.seq DESC LIMIT :limit + 0`,
    { limit, ...Object.fromEntries(given) },
  )
}

/** Commands of an instance that have not ended, the hidden ones too, in order. */
export function listOpenCommands({ database }: Store, instanceId: string): StoredCommand[] {
  return database.all(
    CommandRow,
    `${selectCommand} WHERE commands.instance_id = :instanceId AND ended_at IS NULL ORDER BY commands.seq`,
    { instanceId },
  )
}

/** Commands of an instance that wait to be posted, and may still be begun, in order. */
export function listQueuedCommands(
  { database }: Store,
  instanceId: string,
  { now, limit }: { now: Date; limit: number },
): StoredCommand[] {
  return database.all(
    CommandRow,
    // A bare `LIMIT :limit` is a hint to SQLite's planner, for which it prepares the statement anew at each run.
    `${selectCommand} WHERE commands.instance_id = :instanceId AND state = 'queued'
       AND start_by > :now ORDER BY commands.seq LIMIT :limit + 0`,
    { instanceId, now: toMs(now), limit },
  )
}

/** Instances for which something waits to be posted. */
export function listInstancesWithQueued({ database }: Store): string[] {
  return database
    .all(InstanceIdRow, `SELECT DISTINCT instance_id FROM commands WHERE state = 'queued'`)
    .map((row) => row.instance_id)
}

const InstanceIdRow = z.object({ instance_id: z.string() })

/** Commands on their way whose content the agent has not yet whole. */
export function listCommandsWithContentLeft({ database }: Store): StoredCommand[] {
  return database.all(
    CommandRow,
    `${selectCommand} WHERE state IN ('posted', 'accepted') AND content_taken < content_size
     ORDER BY commands.seq`,
  )
}

/** The commands about another one that have not ended, such as its `cancel`. */
export function hasOpenCancel({ database }: Store, targetId: string): boolean {
  return (
    database.get(
      IdRow,
      `SELECT id FROM commands WHERE target_id = :targetId AND ended_at IS NULL
         AND shown ->> 'name' = 'cancel'`,
      { targetId },
    ) !== undefined
  )
}

/** How many commands people asked for have not ended: of an instance, of a cluster, or of all. */
export function countOpenCommands(
  { database }: Store,
  of: { instanceId: string } | { clusterId: string } | 'all',
): number {
  const open = `SELECT count(*) AS count FROM commands WHERE ended_at IS NULL AND hidden = 0`
  const row =
    of === 'all'
      ? database.get(Count, open)
      : 'instanceId' in of
        ? database.get(Count, `${open} AND instance_id = :instanceId`, of)
        : database.get(
            Count,
            `${open} AND instance_id IN (SELECT id FROM instances WHERE cluster_id = :clusterId)`,
            of,
          )
  return row?.count ?? 0
}

const Count = z.object({ count: z.number() })

/** When the next command is due. */
export function nextCommandDueAt({ database }: Store): Date | undefined {
  return database.get(
    DueRow,
    `SELECT due_at FROM commands WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1`,
  )?.due_at
}

const DueRow = z.object({ due_at: Moment })

/** A thousand at most, the earliest first. */
export function listCommandsDue({ database }: Store, now: Date): StoredCommand[] {
  return database.all(
    CommandRow,
    `${selectCommand} WHERE due_at <= :now ORDER BY due_at LIMIT 1000`,
    { now: toMs(now) },
  )
}
