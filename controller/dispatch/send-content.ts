import { chunkBytesWithin } from '../../protocol/messages/operations.ts'
import { sealInput } from '../../protocol/sealing/seal-input.ts'
import { MessageTooLargeError } from '../../protocol/zaqar/errors.ts'
import { backoffDelayMs } from '../../protocol/zaqar/retry.ts'
import type { ContentStore } from '../contents/content-store.ts'
import type { Context } from '../context.ts'
import { readReplyKey } from '../store/command-secrets.ts'
import { readCommand, type StoredCommand } from '../store/commands.ts'
import { readInstance } from '../store/instances.ts'
import { commandKey, type Subscription } from '../wakeups.ts'
import { messageTtlSeconds } from './message-ttl.ts'
import type { Slots } from './slots.ts'

/** Content on its way to the agent, beyond what it has said to have, in bytes; bounds what lies on the queue. */
const windowBytes = 8 * 1024 * 1024
/** Chunks of one content that are posted at once. */
const chunksAtOnce = 8

/** Sends the contents of commands that were posted, many at once. */
export interface ContentSenders extends AsyncDisposable {
  /** Does nothing for a command without content, or one whose content is being sent. */
  send: (command: StoredCommand) => void
}

export function startContentSenders(
  context: Context,
  contents: ContentStore,
  slots: Slots,
  signal: AbortSignal,
): ContentSenders {
  const running = new Map<string, Promise<void>>()
  return {
    send: (command) => {
      if (command.contentSize === 0 || running.has(command.id)) return
      const sending = sendContent({ context, contents, slots, signal }, command.id)
        .catch((error: unknown) => {
          if (signal.aborted) return
          context.log.error({ err: error, command: command.id }, 'a content could not be sent')
        })
        .finally(() => running.delete(command.id))
      running.set(command.id, sending)
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.allSettled(running.values())
    },
  }
}

interface Sending {
  context: Context
  contents: ContentStore
  slots: Slots
  signal: AbortSignal
}

/**
 * Sends one content from where the agent has it, a window ahead of its `progress`, until it is whole or the command ends.
 * Several chunks travel at once: the agent puts them where they belong in whatever order they come, and takes many with
 * one claim and one flush, where one by one each would wait for both ends' disks.
 */
async function sendContent(sending: Sending, commandId: string): Promise<void> {
  const { context, signal } = sending
  using progress = context.wakeups.subscribe(commandKey(commandId))
  let sent = readCommand(context.store, commandId)?.contentTaken ?? 0
  let failures = 0
  for (;;) {
    const command = await untilWindowOpens(context, progress, { commandId, sent, signal })
    if (command === undefined) return
    const posted = await postChunks(sending, command, sent)
    signal.throwIfAborted()
    sent = posted.until
    if (posted.error === undefined) {
      failures = 0
      continue
    }
    failures += 1
    const delayMs = backoffDelayMs(failures, context.world.random, { baseMs: 100, capMs: 15_000 })
    context.log.warn(
      { err: posted.error, command: commandId, delayMs },
      'a chunk could not be posted',
    )
    await context.world.sleep(delayMs, signal)
  }
}

/** The command, once more of its content may go out; `undefined` when there is no more to send. */
async function untilWindowOpens(
  { store, world }: Context,
  progress: Subscription,
  { commandId, sent, signal }: { commandId: string; sent: number; signal: AbortSignal },
): Promise<StoredCommand | undefined> {
  for (;;) {
    signal.throwIfAborted()
    const command = readCommand(store, commandId)
    if (!command || command.endedAt || command.deadline <= world.now()) return undefined
    if (sent >= command.contentSize) return undefined
    if (sent - command.contentTaken < windowBytes) return command
    await progress.next(signal)
  }
}

/** @returns up to where everything went out, and why not further. */
async function postChunks(
  sending: Sending,
  command: StoredCommand,
  from: number,
): Promise<{ until: number; error?: unknown }> {
  const room = Math.min(command.contentSize, command.contentTaken + windowBytes) - from
  const chunkBytes = chunkBytesWithin(sending.context.postLimit.bytes())
  const count = Math.min(chunksAtOnce, Math.ceil(room / chunkBytes))
  const offsets = Array.from({ length: count }, (_, index) => from + index * chunkBytes)
  const outcomes = await Promise.allSettled(
    offsets.map(
      async (offset) =>
        await sending.slots.use(
          command.clusterId,
          async () => await postChunk(sending, command, { offset, chunkBytes }),
        ),
    ),
  )
  let until = from
  for (const outcome of outcomes) {
    // What went out behind a gap goes again: the agent knows what it has.
    if (outcome.status === 'rejected') return { until, error: outcome.reason }
    until += outcome.value
  }
  return { until }
}

/** @returns how many bytes went out. */
async function postChunk(
  { context, contents, signal }: Sending,
  command: StoredCommand,
  { offset, chunkBytes }: { offset: number; chunkBytes: number },
): Promise<number> {
  const { config, postLimit, queue, store, world } = context
  const instance = readInstance(store, command.instanceId)
  const replyKey = readReplyKey(store, command.clusterId, command.id)
  const { contentSha256 } = command
  if (!instance || !replyKey || contentSha256 === null) return 0
  const bytes = await contents.read(contentSha256, offset, chunkBytes)
  if (bytes.length === 0) throw new RangeError('a stored content is shorter than it was')
  const body = await sealInput({ offset, bytes }, { id: command.id, replyKey })
  const ttlSeconds = messageTtlSeconds(command.deadline, world.now(), config.lostMarginSeconds)
  try {
    await queue.postMessages(instance.commandQueue, [{ body, ttlSeconds }], { signal })
  } catch (error) {
    // The next ones are smaller.
    if (error instanceof MessageTooLargeError) postLimit.lower(body.sealed.length, error)
    throw error
  }
  return bytes.length
}
