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

/** Sends one content from where the agent has it, until it is whole or the command ends. */
async function sendContent(sending: Sending, commandId: string): Promise<void> {
  const { context, signal } = sending
  using progress = context.wakeups.subscribe(commandKey(commandId))
  let from = readCommand(context.store, commandId)?.contentTaken ?? 0
  let failures = 0
  for (;;) {
    const failure = await sendFrom(sending, { commandId, progress }, from)
    signal.throwIfAborted()
    if (failure === undefined) return
    failures = failure.offset > from ? 1 : failures + 1
    from = failure.offset
    const delayMs = backoffDelayMs(failures, context.world.random, { baseMs: 100, capMs: 15_000 })
    const { error } = failure
    context.log.warn({ err: error, command: commandId, delayMs }, 'a chunk could not be posted')
    await context.world.sleep(delayMs, signal)
  }
}

/** A chunk that did not go out. All before it did. */
interface Failure {
  offset: number
  error: unknown
}

/**
 * Sends what lies behind `from`, a window ahead of the agent's `progress`. Several chunks travel at once, and each that is out
 * makes room for the next: the agent puts them where they belong in whatever order they come, and takes many with one
 * claim and one flush, where one by one each would wait for both ends' disks.
 *
 * @returns the first chunk that failed, if any; what went out behind it goes again, and the agent knows what it has.
 */
async function sendFrom(
  sending: Sending,
  { commandId, progress }: { commandId: string; progress: Subscription },
  from: number,
): Promise<Failure | undefined> {
  const { context, signal, slots } = sending
  const underWay = new Set<Promise<void>>()
  const failures: Failure[] = []
  let next = from
  while (failures.length === 0 && !signal.aborted) {
    const command = readCommand(context.store, commandId)
    if (!command || command.endedAt || command.deadline <= context.world.now()) break
    if (next >= command.contentSize) break
    if (underWay.size === chunksAtOnce || next - command.contentTaken >= windowBytes) {
      // Not the progress while chunks are under way: where one of them fails, there will be none.
      await (underWay.size > 0 ? Promise.race(underWay) : progress.next(signal))
      continue
    }
    const offset = next
    const chunkBytes = chunkBytesWithin(context.postLimit.bytes())
    const post = async () => await postChunk(sending, command, { offset, chunkBytes })
    const posting = slots
      .use(command.clusterId, post)
      .catch((error: unknown) => void failures.push({ offset, error }))
      .finally(() => underWay.delete(posting))
    underWay.add(posting)
    next += chunkBytes
  }
  await Promise.all(underWay)
  return failures.toSorted((one, other) => one.offset - other.offset)[0]
}

async function postChunk(
  { context, contents, signal }: Sending,
  command: StoredCommand,
  { offset, chunkBytes }: { offset: number; chunkBytes: number },
): Promise<void> {
  const { config, postLimit, queue, store, world } = context
  const instance = readInstance(store, command.instanceId)
  const replyKey = readReplyKey(store, command.clusterId, command.id)
  const { contentSha256 } = command
  if (!instance || !replyKey || contentSha256 === null) return
  const bytes = await contents.read(contentSha256, offset, chunkBytes)
  if (bytes.length === 0) throw new RangeError('a stored content is shorter than it was')
  const body = await sealInput({ offset, bytes }, { id: command.id, replyKey })
  const ttlSeconds = messageTtlSeconds(command.deadline, world.now(), config.lostMarginSeconds)
  try {
    await queue.postMessages(instance.commandQueue, [{ body, ttlSeconds }], { signal })
  } catch (error) {
    // The next ones are smaller, or as large as ever where size is not the reason; either way a pause comes first.
    if (error instanceof MessageTooLargeError) postLimit.lower(body.sealed.length, error)
    throw error
  }
}
