import { abortable } from '../../protocol/abortable.ts'
import type { Command } from '../../protocol/messages/command.ts'
import type { Reason } from '../../protocol/messages/replies.ts'
import { AuditUnavailableError, JournalWriteError } from '../errors.ts'
import { type ContentReceiver, prepareContent } from '../intake/content-receiver.ts'
import { expired } from '../intake/judge-command.ts'
import { describeError } from '../log.ts'
import type { RunningCommand } from '../operations/operation.ts'
import type { CommandReplies } from '../reply/command-replies.ts'
import { EarlyEnd, type HeldCommand } from './held-command.ts'
import { judgeOpened } from './judge-opened.ts'
import { type CarryOutParts, makeCommandDirectory, type Task } from './task.ts'

export type Begun =
  | { kind: 'running'; running: RunningCommand }
  | { kind: 'ended-early'; end: EarlyEnd['end'] }

/**
 * Waits for a command's content and its turn, then begins it; unless it is cancelled, or its time to start is over, before.
 *
 * @throws the closing signal's reason.
 */
export async function beginInTime(
  task: Task,
  held: HeldCommand,
  replies: CommandReplies,
  parts: CarryOutParts,
): Promise<Begun> {
  try {
    const directory = prepareDirectory(task, parts)
    const contentPath = await waitForStart(task, held, replies, parts)
    // At most once: from here on, a crash leaves it to the runner's word whether it has begun.
    if (task.state === 'taken') await markBegun(task.command, parts)
    return await begin(task, { directory, contentPath }, held, parts)
  } catch (error) {
    if (error instanceof EarlyEnd) return { kind: 'ended-early', end: error.end }
    if (parts.closing.aborted) throw error
    // Nothing was begun: `operations.begin` has a way of its own to fail.
    parts.log.error({ command: task.command.id, ...describeError(error) }, 'cannot begin')
    return { kind: 'ended-early', end: noSpaceOr('cannot-begin', error) }
  }
}

function prepareDirectory({ command }: Task, parts: CarryOutParts): string {
  try {
    return makeCommandDirectory(command.id, parts)
  } catch (error) {
    throw new EarlyEnd(noSpaceOr('no-directory', error))
  }
}

/** Resolves with the content's path, or null, when the command may begin. */
async function waitForStart(
  task: Task,
  held: HeldCommand,
  replies: CommandReplies,
  parts: CarryOutParts,
): Promise<string | null> {
  const { command, place } = task
  const { clock, closing } = parts
  const begun = new AbortController()
  const onClosing = () => begun.abort(closing.reason)
  const onEarly = () => begun.abort(held.early.reason)
  closing.addEventListener('abort', onClosing, { once: true })
  held.early.addEventListener('abort', onEarly, { once: true })
  if (closing.aborted) onClosing()
  if (held.early.aborted) onEarly()
  const timer = new AbortController()
  const onTime = () => held.endEarly(endAtStartBy(command, held))
  clock.sleepUntil(command.startBy, timer.signal).then(onTime, () => undefined)
  try {
    const contentPath = await awaitContent(held, replies, begun.signal)
    await place.turn(begun.signal)
    await clock.untilKnown(begun.signal)
    // The timer may be late: it does not know of a clock that has jumped, as that of a guest that was paused.
    if (command.startBy <= clock.now()) throw new EarlyEnd(endAtStartBy(command, held))
    held.pointOfNoReturn()
    return contentPath
  } finally {
    timer.abort('over')
    closing.removeEventListener('abort', onClosing)
    held.early.removeEventListener('abort', onEarly)
  }
}

async function awaitContent(
  { receiver, command }: HeldCommand,
  replies: CommandReplies,
  signal: AbortSignal,
): Promise<string | null> {
  if (!receiver || !command.content) return null
  await prepareContent(receiver, command.content).catch(() => undefined)
  // After a restart the controller may not know how far the content has come.
  if (receiver.contiguousBytes() > 0) replies.progress(receiver.contiguousBytes())
  await abortable(orEarlyEnd(receiver.whole), signal)
  if (await abortable(orEarlyEnd(receiver.hasRightDigest()), signal)) return receiver.path
  const message = 'the content that came is not the content that was promised: its digest differs'
  throw new EarlyEnd({ state: 'failed', reason: { code: 'content-digest', message } })
}

async function orEarlyEnd<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    throw new EarlyEnd(noSpaceOr('content-unreadable', error))
  }
}

function endAtStartBy(command: Command, { receiver }: HeldCommand): EarlyEnd['end'] {
  const size = command.content?.size ?? 0
  if (!receiver || isWhole(receiver, size)) return expired(command.startBy)
  const message = `${receiver.contiguousBytes()} of ${size} bytes had come without a hole by ${command.startBy.toISOString()}`
  return { state: 'failed', reason: { code: 'content-incomplete', message } }
}

function isWhole(receiver: ContentReceiver, size: number): boolean {
  return receiver.contiguousBytes() === size
}

async function markBegun(command: Command, { journal }: CarryOutParts): Promise<void> {
  try {
    await journal.markBegun(command.id)
  } catch (error) {
    if (!(error instanceof JournalWriteError)) throw error
    throw new EarlyEnd({ state: 'refused', reason: noSpace(error.message) })
  }
}

async function begin(
  task: Task,
  place: { directory: string; contentPath: string | null },
  held: HeldCommand,
  parts: CarryOutParts,
): Promise<Begun> {
  const { command, beginsAgain } = task
  const { operations, clock, log } = parts
  const refusal = await askLeave(task, parts)
  if (refusal) return { kind: 'ended-early', end: refusal }
  const deadlineMs = Math.max(0, command.deadline.getTime() - clock.now().getTime())
  try {
    const toRun = { command, ...place, deadlineMs, ...judgeOpened(task, parts) }
    const running = await (beginsAgain ? operations.beginAgain(toRun) : operations.begin(toRun))
    held.settleBegun(running)
    return { kind: 'running', running }
  } catch (error) {
    log.error({ command: command.id, ...describeError(error) }, 'cannot begin')
    return { kind: 'ended-early', end: noSpaceOr('cannot-begin', error) }
  }
}

/** Asks the policy again, since it, or what a path leads to, may have changed while the command waited; tells the audit log. */
async function askLeave(
  { command, operation }: Task,
  { policy, audit }: CarryOutParts,
): Promise<EarlyEnd['end'] | null> {
  const refusal = operation && (await policy.judge(command, operation))
  if (refusal) return refusal
  try {
    audit.begun(command)
    return null
  } catch (error) {
    if (!(error instanceof AuditUnavailableError)) throw error
    return auditUnavailable(error)
  }
}

/** How a command ends of which the audit log cannot tell: what is not told is not done. */
export function auditUnavailable({ message }: AuditUnavailableError) {
  return { state: 'refused', reason: { code: 'audit-unavailable', message } } as const
}

/** How a command ends whose files cannot be written. */
function noSpaceOr(code: string, error: unknown): EarlyEnd['end'] {
  const { error: message, code: errno } = describeError(error)
  const isFull = errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'ERR_JOURNAL_WRITE'
  const reason = { code, message: message.slice(0, 4096) }
  return { state: 'failed', reason: isFull ? noSpace(message) : reason }
}

export function noSpace(why: string): Reason {
  const message = `the disk of the agent's state directory is full: ${why}`
  return { code: 'no-space', message: message.slice(0, 4096) }
}
