import type { Hello } from '../../protocol/messages/enrolment.ts'
import type { ClaimedMessage } from '../../protocol/zaqar/claims.ts'
import type { Context } from '../context.ts'
import { StoreWriteError } from '../errors.ts'
import type { Cluster } from '../store/clusters.ts'
import { commandKey } from '../wakeups.ts'
import { noteDropped } from '../young-garbage.ts'
import type { Deletions } from './deletions.ts'
import { type DropReason, type Opened, openMessage } from './open-message.ts'
import { settleSmallOutput } from './settle-output.ts'
import { takeReply } from './take-reply.ts'
import { takeReport } from './take-report.ts'

/** Who does what a batch brings beside replies. */
export interface BatchParts {
  /** Answers a hello in its own time, then deletes its message by `done`. */
  answerHello: (cluster: Cluster, hello: Hello, done: () => Promise<void>) => void
  /** A command's output is whole, and large. */
  settleLarge: (commandId: string) => void
}

/**
 * Opens the messages, books them in one flush, wakes who waits, and only then deletes them: a crash in between repeats
 * them, the other order would lose them.
 */
export async function handleBatch(
  context: Context,
  parts: BatchParts & { deletions: Deletions },
  cluster: Cluster,
  messages: readonly ClaimedMessage[],
): Promise<void> {
  const opened = outputInOrder(
    await Promise.all(
      messages.map(async ({ id, body }) => ({
        id,
        opened: await openMessage(context, cluster.id, body),
      })),
    ),
  )
  const booked = await Promise.all(
    opened.map(async (message) => await book(context, parts, message.opened)),
  )
  wakeWaiters(context, opened)
  logDropped(context, cluster, opened)
  const done = opened.filter((message, index) => booked[index] && message.opened.kind !== 'hello')
  for (const { id, opened: hello } of opened) {
    if (hello.kind !== 'hello') continue
    parts.answerHello(cluster, hello.hello, async () => await parts.deletions.delete([id]))
  }
  noteDropped(outputBytes(opened) * copiesOfOutput)
  await parts.deletions.delete(done.map(({ id }) => id))
}

/** Agents post output in several requests at once: put in order, a piece need not wait in the store for the one before it. Pure. */
function outputInOrder<T extends { opened: Opened }>(messages: readonly T[]): T[] {
  const offset = ({ opened }: T) =>
    opened.kind === 'reply' && opened.reply.kind === 'output' ? opened.reply.offset : undefined
  const isOutput = (message: T) => offset(message) !== undefined
  return [
    ...messages.filter(isOutput).toSorted((a, b) => (offset(a) ?? 0) - (offset(b) ?? 0)),
    ...messages.filter((message) => !isOutput(message)),
  ]
}

/** Buffers that each byte of output has passed through: of the socket, put together, opened. */
const copiesOfOutput = 4

function outputBytes(messages: readonly { opened: Opened }[]): number {
  let bytes = 0
  for (const { opened } of messages) {
    if (opened.kind === 'reply' && opened.reply.kind === 'output')
      bytes += opened.reply.bytes.length
  }
  return bytes
}

/** @returns whether the message has served; one that the store did not take comes back. */
async function book(context: Context, parts: BatchParts, opened: Opened): Promise<boolean> {
  try {
    // Each in a change of its own, all in one flush: one that cannot be booked does not stop the others.
    await context.store.write(() => bookNow(context, parts, opened))
    return true
  } catch (error) {
    context.log.error({ err: error, kind: opened.kind }, 'a message could not be booked')
    return !(error instanceof StoreWriteError)
  }
}

function bookNow(context: Context, parts: BatchParts, opened: Opened): void {
  if (opened.kind === 'report') takeReport(context, opened.instanceId, opened.report)
  if (opened.kind !== 'reply') return
  takeReply(context, opened.commandId, opened.reply)
  if (opened.reply.kind !== 'output' && opened.reply.kind !== 'result') return
  if (!settleSmallOutput(context, opened.commandId)) parts.settleLarge(opened.commandId)
}

function wakeWaiters({ wakeups }: Context, messages: readonly { opened: Opened }[]): void {
  const ids = messages.flatMap(({ opened }) => (opened.kind === 'reply' ? [opened.commandId] : []))
  for (const id of new Set(ids)) wakeups.wake(commandKey(id))
}

/** One line for a batch, so that a flood of garbage does not become a flood of lines. */
function logDropped(
  { log }: Context,
  cluster: Cluster,
  messages: readonly { opened: Opened }[],
): void {
  const dropped: Partial<Record<DropReason, number>> = {}
  for (const { opened } of messages) {
    if (opened.kind === 'dropped') dropped[opened.reason] = (dropped[opened.reason] ?? 0) + 1
  }
  if (Object.keys(dropped).length > 0) {
    log.warn({ cluster: cluster.id, dropped }, 'messages on the return queue were dropped')
  }
}
