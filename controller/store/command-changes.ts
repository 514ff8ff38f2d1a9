import { z } from 'zod'
import type { Command } from '../../protocol/messages/command.ts'
import { Result } from '../../protocol/messages/replies.ts'
import type { CommandState } from '../api/resources.ts'
import { sealSecrets } from './command-secrets.ts'
import { toMs } from './database.ts'
import type { Store } from './open-store.ts'

/** What the store keeps of a command beside the command itself. */
export interface Filing {
  shown: { name: string }
  hidden: boolean
  targetId: string | null
}

/** Puts a command on the books as `queued`. Call it, and all others here, inside `write`. */
export function insertCommand(store: Store, command: Command, filing: Filing): void {
  store.database.run(
    `INSERT INTO commands (id, cluster_id, instance_id, hidden, target_id, shown, sealed_request,
       sealed_reply_key, state, created_at, start_by, deadline, due_at, content_sha256, content_size)
     VALUES (:id, :clusterId, :instanceId, :hidden, :targetId, :shown, :sealedRequest,
       :sealedReplyKey, 'queued', :createdAt, :startBy, :deadline, :startBy, :contentSha256, :contentSize)`,
    {
      id: command.id,
      clusterId: command.cluster,
      instanceId: command.instance,
      hidden: filing.hidden ? 1 : 0,
      targetId: filing.targetId,
      shown: JSON.stringify(filing.shown),
      ...sealSecrets(store, command),
      createdAt: toMs(command.issuedAt),
      startBy: toMs(command.startBy),
      deadline: toMs(command.deadline),
      contentSha256: command.content?.sha256 ?? null,
      contentSize: command.content?.size ?? 0,
    },
  )
}

/** The queue service has it. From now on only the agent, or the clock past `lostAt`, can end it. */
export function markPosted(
  { database }: Store,
  id: string,
  { now, lostAt }: { now: Date; lostAt: Date },
): void {
  database.run(
    `UPDATE commands SET state = 'posted', posted_at = :now, may_have_left = 1, due_at = :lostAt
     WHERE id = :id AND state = 'queued'`,
    { id, now: toMs(now), lostAt: toMs(lostAt) },
  )
}

/** A POST of it had no clear end. It is posted again while there is time, but nobody can say any more that it never left. */
export function markMayHaveLeft({ database }: Store, id: string, lostAt: Date): void {
  database.run(
    `UPDATE commands SET may_have_left = 1, due_at = :lostAt WHERE id = :id AND state = 'queued'`,
    { id, lostAt: toMs(lostAt) },
  )
}

/** After a restart: what is still `queued` may have left just before the program died. */
export function markAllMayHaveLeft({ database }: Store, lostMarginMs: number): void {
  database.run(
    `UPDATE commands SET may_have_left = 1, due_at = deadline + :lostMarginMs WHERE state = 'queued'`,
    { lostMarginMs },
  )
}

/** The agent has journaled it. */
export function markAccepted({ database }: Store, id: string, now: Date): void {
  database.run(
    `UPDATE commands SET state = 'accepted', accepted_at = :now, may_have_left = 1,
       posted_at = coalesce(posted_at, :now)
     WHERE id = :id AND state IN ('queued', 'posted')`,
    { id, now: toMs(now) },
  )
}

/** When the controller looks at it again. */
export function setDueAt({ database }: Store, id: string, dueAt: Date | null): void {
  database.run(`UPDATE commands SET due_at = :dueAt WHERE id = :id`, { id, dueAt: toMs(dueAt) })
}

export function markCancelRequested({ database }: Store, id: string): void {
  database.run(`UPDATE commands SET cancel_requested = 1 WHERE id = :id`, { id })
}

export function noteContentTaken({ database }: Store, id: string, bytes: number): void {
  database.run(
    `UPDATE commands SET content_taken = min(content_size, max(content_taken, :bytes)) WHERE id = :id`,
    { id, bytes },
  )
}

/**
 * Gives a command its one final state and forgets what was asked of it; the reply key stays, for late output.
 *
 * @returns false when it has one already: the first one stays.
 */
export function endCommand(
  { database }: Store,
  id: string,
  end: { state: CommandState; result: Result | null; now: Date; dueAt: Date | null },
): boolean {
  return (
    database.run(
      `UPDATE commands SET state = :state, result = :result, ended_at = :now, due_at = :dueAt,
         sealed_request = NULL
       WHERE id = :id AND ended_at IS NULL`,
      {
        id,
        state: end.state,
        result: end.result === null ? null : JSON.stringify(z.encode(Result, end.result)),
        now: toMs(end.now),
        dueAt: toMs(end.dueAt),
      },
    ) > 0
  )
}

/** No more output is waited for, so that the reply key has served, unless it is to be kept. */
export function settleOutput(
  { database }: Store,
  id: string,
  complete: boolean,
  { keepReplyKey = false }: { keepReplyKey?: boolean } = {},
): void {
  database.run(
    `UPDATE commands SET output_settled = 1, output_complete = :complete, due_at = NULL, waiting_bytes = 0, waiting_pieces = 0,
       sealed_reply_key = iif(:keepReplyKey, sealed_reply_key, NULL)
     WHERE id = :id`,
    { id, complete: complete ? 1 : 0, keepReplyKey: keepReplyKey ? 1 : 0 },
  )
  database.run(
    `DELETE FROM waiting_output WHERE command_seq = (SELECT seq FROM commands WHERE id = :id)`,
    { id },
  )
}
