import { expect, test } from 'vitest'
import { z } from 'zod'
import { MessageTooLargeError } from '../../protocol/zaqar/errors.ts'
import { openContextWithInstance } from '../../test/controller/context-with-instance.ts'
import { fileCommand } from '../commands/file-command.ts'
import { openContentStore } from '../contents/content-store.ts'
import { readCommand } from '../store/commands.ts'
import { readInstance } from '../store/instances.ts'
import { startContentSenders } from './send-content.ts'
import { createSlots } from './slots.ts'

const Envelope = z.object({ sealed: z.string() })

test('a content that the queue calls too large at any size is tried with pauses, in chunks of some KiB at least, until its command is over', async () => {
  await using opened = await openContextWithInstance()
  const { context, world, instanceId } = opened
  let round: number[] = []
  const postMessages: typeof context.queue.postMessages = async (_, posted) => {
    const messages = 'messages' in posted ? posted.messages : posted
    round.push(...messages.map(({ body }) => Envelope.parse(body).sealed.length))
    throw new MessageTooLargeError('post', 'x', { status: 413 })
  }
  const contents = await openContentStore(context)
  const content = await contents.keepBytes(new Uint8Array(100_000))
  const instance = readInstance(context.store, instanceId)
  if (!instance) throw new Error('no instance')
  const { id, deadline } = await context.store.write(() =>
    fileCommand(context, instance, {
      operation: { name: 'write', path: '/tmp/x' },
      startBy: world.now(),
      timeoutSeconds: 300,
      graceSeconds: 1,
      content,
    }),
  )
  const command = readCommand(context.store, id)
  if (!command) throw new Error('no command')

  const { signal } = new AbortController()
  const refusing = { ...context, queue: { ...context.queue, postMessages } }
  const senders = startContentSenders(refusing, contents, createSlots(16), signal)
  senders.send(command)
  const rounds: number[][] = []
  while (world.now() < deadline) {
    await world.untilSleeping()
    rounds.push(round)
    round = []
    await world.advance(15_000)
  }
  await senders[Symbol.asyncDispose]()
  expect(round).toEqual([])

  const largest = rounds.map((sizes) => Math.max(...sizes))
  expect(Math.max(...rounds.map(({ length }) => length))).toBeLessThanOrEqual(8)
  expect(Math.min(...largest)).toBeGreaterThan(3000)
  expect(Math.min(...largest)).toBeLessThan(100_000)
  // What the refusals seemed to teach is forgotten when a small chunk is refused too.
  expect(largest.filter((bytes) => bytes > 100_000).length).toBeGreaterThan(1)
})
