import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readEnvelope } from '../../protocol/sealing/envelope.ts'
import { generatePrivateKey, importKey, publicPart } from '../../protocol/sealing/keys.ts'
import { openCommand } from '../../protocol/sealing/seal-command.ts'
import { MessageTooLargeError } from '../../protocol/zaqar/errors.ts'
import {
  type ContextWithInstance,
  openContextWithInstance,
} from '../../test/controller/context-with-instance.ts'
import { listQueuedCommands, readCommand } from '../store/commands.ts'
import { pinInstance, readInstance } from '../store/instances.ts'
import { createAgentKeys } from './agent-keys.ts'
import { postCommands } from './post-commands.ts'

let opened: ContextWithInstance
beforeEach(async () => {
  opened = await openContextWithInstance()
})
afterEach(async () => opened[Symbol.asyncDispose]())

/** A queue, or a firewall before it, that calls each POST too large of which `isRefused`. */
async function postTo(isRefused: (ids: readonly string[]) => boolean) {
  const { context, clusterId, instanceId } = opened
  const agentKey = await generatePrivateKey('X25519')
  await context.store.write(() =>
    pinInstance(context.store, instanceId, {
      instanceUuid: 'u',
      signingKeyId: 's',
      sealingKey: publicPart(agentKey),
      reportKey: new Uint8Array(32),
      now: context.world.now(),
    }),
  )
  const keys = {
    cluster: (await context.keyring.keysOf(clusterId)).signing,
    agent: await importKey(agentKey),
  }
  const taken: string[] = []
  let refusals = 0
  const postMessages: typeof context.queue.postMessages = async (_, posted) => {
    const messages = 'messages' in posted ? posted.messages : posted
    const opening = messages.map(async ({ body }) => await openCommand(readEnvelope(body), keys))
    const ids = (await Promise.all(opening)).map(({ id }) => id)
    if (isRefused(ids)) {
      refusals += 1
      throw new MessageTooLargeError('post', 'x', { status: 413 })
    }
    taken.push(...ids)
    return ids
  }
  const instance = readInstance(context.store, instanceId)
  if (!instance) throw new Error('no instance')
  const commands = listQueuedCommands(context.store, instanceId, { now: new Date(0), limit: 64 })
  const parts = {
    context: { ...context, queue: { ...context.queue, postMessages } },
    agentKeys: createAgentKeys(),
    senders: { send: () => undefined },
    signal: new AbortController().signal,
  }
  const posting = postCommands(parts, { instance, commands }).then(async ({ booked }) => booked)
  const [outcome] = await Promise.allSettled([posting])
  return { outcome, taken, refusals }
}

async function newCommands(count: number): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < count) ids.push(await opened.newCommand())
  return ids
}

const stateOf = (id: string) => readCommand(opened.context.store, id)?.state

describe('commands of which the queue calls one too large at any size', () => {
  test('are posted up to that one, which costs the other POSTs nothing of their size', async () => {
    const ids = await newCommands(40)
    const bad = ids[17] ?? ''
    const { outcome, taken, refusals } = await postTo((some) => some.includes(bad))
    expect(outcome).toMatchObject({ reason: { code: 'ERR_MESSAGE_TOO_LARGE' } })
    expect(taken).toEqual(ids.slice(0, 17))
    expect(ids.map(stateOf)).toEqual([
      ...Array<string>(17).fill('posted'),
      ...Array<string>(23).fill('queued'),
    ])
    expect(refusals).toBeLessThan(10)
    expect(opened.context.postLimit.bytes()).toBe(262_144)
  })

  test('are posted one by one, in order, where it refuses any two', async () => {
    const ids = await newCommands(5)
    const { outcome, taken } = await postTo(({ length }) => length > 1)
    expect(outcome).toMatchObject({ status: 'fulfilled' })
    expect(taken).toEqual(ids)
    expect(ids.map(stateOf)).toEqual(ids.map(() => 'posted'))
  })
})
