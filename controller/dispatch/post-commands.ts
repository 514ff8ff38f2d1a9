import type { Reason, Result } from '../../protocol/messages/replies.ts'
import type { Key } from '../../protocol/sealing/keys.ts'
import { sealCommand } from '../../protocol/sealing/seal-command.ts'
import { MessageTooLargeError } from '../../protocol/zaqar/errors.ts'
import {
  defaultPostLimitBytes,
  type NewMessage,
  type Post,
  splitIntoPosts,
} from '../../protocol/zaqar/split-into-posts.ts'
import type { Context } from '../context.ts'
import { endCommand, markMayHaveLeft, markPosted, settleOutput } from '../store/command-changes.ts'
import { readRequest } from '../store/command-secrets.ts'
import type { StoredCommand } from '../store/commands.ts'
import type { Instance } from '../store/instances.ts'
import { commandKey } from '../wakeups.ts'
import type { AgentKeys } from './agent-keys.ts'
import { messageTtlSeconds } from './message-ttl.ts'
import type { ContentSenders } from './send-content.ts'

/** What posting needs. */
export interface PostParts {
  context: Context
  agentKeys: AgentKeys
  /** Given each command that is on the books as posted: its content follows. */
  senders: Pick<ContentSenders, 'send'>
  signal: AbortSignal
}

/**
 * Seals an instance's commands and posts them in order, in as few requests as they fit; each request's commands are on
 * the books as `posted` before the next one goes, and the last one's by `booked`.
 *
 * @throws {ZaqarError} the first request that failed; what was posted before stays posted. `MessageTooLargeError`: the queue
 * service takes one of them not even alone.
 */
export async function postCommands(
  { context, agentKeys, senders, signal }: PostParts,
  { instance, commands }: { instance: Instance; commands: readonly StoredCommand[] },
): Promise<{ booked: Promise<void> }> {
  const { postLimit, queue } = context
  if (instance.sealingKey === null) return { booked: Promise.resolve() }
  const agent = await agentKeys.import(instance.sealingKey)
  const messages = await sealCommands(context, agent, commands)
  const split = (some: readonly NewMessage[], fullBytes = postLimit.bytes()) =>
    splitIntoPosts(some, defaultPostLimitBytes, fullBytes)
  let booked = Promise.resolve()
  const postInOrder = async (post: Post): Promise<void> => {
    await booked
    try {
      await queue.postMessages(instance.commandQueue, post, { signal })
    } catch (error) {
      if (!(error instanceof MessageTooLargeError)) throw error
      const maySmallerPass = postLimit.lower(Buffer.byteLength(post.json), error)
      if (post.messages.length === 1) throw error
      // Full with one byte: each alone.
      const smaller = split(post.messages, maySmallerPass ? postLimit.bytes() : 1)
      for (const one of smaller) await postInOrder(one)
      return
    }
    const posted = post.messages.flatMap((message) => messages.get(message) ?? [])
    booked = bookPosted({ context, senders }, posted, posted.length === commands.length)
  }
  for (const post of split([...messages.keys()])) await postInOrder(post)
  return { booked }
}

/**
 * @param isAll nothing more of this instance's waits to be posted. Its books can wait for another flush, often that of the result: should
 * they be lost, the commands are posted again and known to the agent.
 */
export async function bookPosted(
  { context, senders }: Pick<PostParts, 'context' | 'senders'>,
  posted: readonly StoredCommand[],
  isAll: boolean,
): Promise<void> {
  const { store, wakeups, world } = context
  const now = world.now()
  const canWait = isAll && posted.every(({ contentSha256 }) => contentSha256 === null)
  await (canWait ? store.writeSoon : store.write)(() => {
    for (const command of posted) {
      const lostAt = lostAtOf(context, command)
      markPosted(store, command.id, { now, lostAt })
    }
  })
  for (const command of posted) {
    wakeups.wake(commandKey(command.id))
    senders.send(command)
  }
}

/** A POST had no clear end: its commands may be on the queue. */
export async function noteUnclearPost(
  context: Context,
  commands: readonly StoredCommand[],
): Promise<void> {
  const { store } = context
  await store.write(() => {
    for (const command of commands) markMayHaveLeft(store, command.id, lostAtOf(context, command))
  })
}

/** Ends commands that can never be posted. */
export async function endUnpostable(
  { store, world, wakeups }: Context,
  commands: readonly StoredCommand[],
  error: unknown,
): Promise<void> {
  const now = world.now()
  const result = {
    state: 'failed',
    reason: explainUnpostable(error),
    endedAt: now,
    outputBytes: 0,
    streams: {},
    survivors: [],
    answer: {},
  } satisfies Result
  await store.write(() => {
    for (const { id } of commands) {
      if (endCommand(store, id, { state: 'failed', result, now, dueAt: null })) {
        settleOutput(store, id, true)
      }
    }
  })
  for (const { id } of commands) wakeups.wake(commandKey(id))
}

function explainUnpostable(error: unknown): Reason {
  if (!(error instanceof MessageTooLargeError)) {
    return { code: 'cannot-post', message: 'it can neither be sealed nor posted as it is' }
  }
  const { limitBytes } = error
  const most = limitBytes === undefined ? '' : `, which takes ${limitBytes} bytes in one POST`
  const message = `it is too large for the queue service${most}; send a script or input as content, or raise max_messages_post_size`
  return { code: 'too-large', message }
}

/** A command sealed anew has the same id and reply key: the agent knows it again. */
async function sealCommands(
  { config, keyring, store, world }: Context,
  agent: Key,
  commands: readonly StoredCommand[],
): Promise<Map<NewMessage, StoredCommand>> {
  const sealed = commands.map(async (command) => {
    const { signing } = await keyring.keysOf(command.clusterId)
    const request = readRequest(store, command.id)
    // It has ended since it was read.
    if (request === undefined) return []
    const body = await sealCommand(request, { cluster: signing, agent })
    const ttlSeconds = messageTtlSeconds(command.deadline, world.now(), config.lostMarginSeconds)
    return [[{ body, ttlSeconds }, command] as const]
  })
  return new Map((await Promise.all(sealed)).flat())
}

function lostAtOf({ config }: Context, command: StoredCommand): Date {
  return new Date(command.deadline.getTime() + config.lostMarginSeconds * 1000)
}
