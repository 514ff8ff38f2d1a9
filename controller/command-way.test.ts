import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { realWorld } from '../protocol/real-world.ts'
import {
  aResult,
  createMiniatureAgent,
  type MiniatureAgent,
  outputOf,
  readBootstrap,
} from '../test/controller/miniature-agent.ts'
import { startTestController, type TestController } from '../test/controller/test-controller.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const world = realWorld()
const commandsOfW1 = '/v1/clusters/c1/instances/w1/commands'
/** What the agent takes of a content. */
const Piece = z.object({ offset: z.int(), bytes: z.instanceof(Uint8Array) })
const execTrue = { operation: { name: 'exec', argv: ['true'] } }

let parts: AsyncDisposableStack
let controller: TestController
let agent: MiniatureAgent

beforeEach(async () => {
  parts = new AsyncDisposableStack()
  controller = parts.use(await startTestController(world))
  await controller.api.post('/v1/clusters', { name: 'c1' })
  const bootstrap = await readBootstrap(controller.api, 'c1', 'w1')
  agent = parts.use(await createMiniatureAgent(bootstrap, world))
  await agent.enrol()
})

afterEach(async () => await parts.disposeAsync())

async function order(body: unknown = execTrue): Promise<string> {
  const answer = await controller.api.post(commandsOfW1, body)
  expect(answer).toMatchObject({ status: 202, body: { state: 'queued' } })
  return z.string().parse(answer.body['id'])
}

async function read(id: string, wait = 0) {
  return (await controller.api.get(`/v1/commands/${id}?wait=${wait}`)).body
}

describe('a command that goes its whole way', () => {
  test('is sealed to its instance, and its end wakes whoever waits', async () => {
    const id = await order()
    const command = await agent.takeCommand()
    expect(command).toMatchObject({ id, operation: { name: 'exec', argv: ['true'] } })
    const waiting = read(id, 20)
    await agent.reply(command, { kind: 'accepted', accepted: { at: new Date() } }, aResult())
    expect(await waiting).toMatchObject({
      state: 'succeeded',
      ended: true,
      outputComplete: true,
      result: { exitCode: 0 },
    })
  })

  test('shows each state on its way', async () => {
    const id = await order()
    const command = await agent.takeCommand()
    await expect.poll(async () => (await read(id))['state']).toBe('posted')
    await agent.reply(command, { kind: 'accepted', accepted: { at: new Date() } })
    await expect.poll(async () => (await read(id))['state']).toBe('accepted')
  })

  test('gives its output in order, whatever the order in which it came, and once', async () => {
    const id = await order()
    const command = await agent.takeCommand()
    const pieces = outputOf(['stdout', 'one '], ['stderr', 'two '], ['stdout', 'three'])
    const [one, two, three] = pieces
    if (!one || !two || !three) throw new Error('three pieces')
    await agent.reply(command, three, one)
    await expect.poll(async () => (await read(id))['outputBytes']).toBe(4)
    await agent.reply(command, aResult(pieces))
    expect(await read(id, 20)).toMatchObject({ ended: true, outputComplete: false })
    await agent.reply(command, one, two, two)
    const lines = await (
      await controller.api.raw({ path: `/v1/commands/${id}/output?follow=true` })
    ).body.text()
    const shown = lines
      .trim()
      .split('\n')
      .map((line) =>
        z
          .object({ offset: z.number(), stream: z.string(), bytes: z.string() })
          .parse(JSON.parse(line)),
      )
      .map(({ offset, stream, bytes }) => [
        offset,
        stream,
        Buffer.from(bytes, 'base64url').toString(),
      ])
    expect(shown).toEqual([
      [0, 'stdout', 'one '],
      [4, 'stderr', 'two '],
      [8, 'stdout', 'three'],
    ])
    expect(await read(id)).toMatchObject({ outputComplete: true, outputBytes: 13 })
    const raw = await controller.api.raw({
      path: `/v1/commands/${id}/output?stream=stdout&offset=2`,
    })
    expect(await raw.body.text()).toBe('e three')
  })

  test('is followed while it runs', async () => {
    const id = await order()
    const command = await agent.takeCommand()
    const response = await controller.api.raw({
      path: `/v1/commands/${id}/output?follow=true&stream=stdout`,
    })
    const chunks = response.body[Symbol.asyncIterator]()
    const pieces = outputOf(['stdout', 'first'], ['stdout', 'second'])
    for (const piece of pieces) {
      await agent.reply(command, piece)
      const { value } = await chunks.next()
      expect(String(value)).toBe(Buffer.from(piece.bytes).toString())
    }
    await agent.reply(command, aResult(pieces))
    expect(await chunks.next()).toMatchObject({ done: true })
  })

  test('is alerted of, and never complete, when its output does not fit its digests', async () => {
    const id = await order()
    const command = await agent.takeCommand()
    await agent.reply(
      command,
      ...outputOf(['stdout', 'forged']),
      aResult(outputOf(['stdout', 'honest'])),
    )
    expect(await read(id, 20)).toMatchObject({
      ended: true,
      state: 'succeeded',
      outputComplete: false,
    })
    const instance = await controller.api.get('/v1/clusters/c1/instances/w1')
    expect(instance.body['alerts']).toMatchObject([{ code: 'output-digest' }])
  })

  test('keeps its first final state', async () => {
    const id = await order()
    const command = await agent.takeCommand()
    await agent.reply(command, ...outputOf(['stdout', 'xx']), aResult(outputOf(['stdout', 'xxx'])))
    await read(id, 20)
    await agent.reply(command, aResult([], { state: 'failed', exitCode: 1 }))
    await expect
      .poll(async () => (await controller.api.get('/v1/clusters/c1/instances/w1')).body['alerts'])
      .toMatchObject([{ code: 'late-result' }])
    expect(await read(id)).toMatchObject({ state: 'succeeded' })
  })

  test('comes with its content, in chunks, a window ahead of what the agent has', async () => {
    const content = Buffer.alloc(9 * 1024 * 1024, 'content of a file ')
    const stored = await controller.api.raw({
      path: '/v1/contents',
      method: 'POST',
      body: content,
      headers: { 'content-type': 'application/octet-stream' },
    })
    const { sha256 } = z.object({ sha256: z.string() }).parse(await stored.body.json())
    await order({ operation: { name: 'write', path: '/tmp/x' }, content: { sha256 } })
    const command = await agent.takeCommand()
    expect(command.content).toEqual({ sha256, size: content.length })
    const received = Buffer.alloc(content.length)
    const windowBytes = 8 * 1024 * 1024
    let size = 0
    let taken = 0
    while (size < content.length) {
      for (const input of await agent.take()) {
        const { offset, bytes } = Piece.parse(input)
        expect(offset + bytes.length).toBeLessThanOrEqual(taken + windowBytes + 180 * 1024)
        received.set(bytes, offset)
        size += bytes.length
      }
      if (size >= windowBytes) {
        taken = size
        await agent.reply(command, { kind: 'progress', progress: { contentBytes: size } })
      }
    }
    expect(received.equals(content)).toBe(true)
  })
})

describe('a cancelled command', () => {
  test('is ended by a command of its own, when it has left', async () => {
    const id = await order()
    const command = await agent.takeCommand()
    const cancelled = await controller.api.post(`/v1/commands/${id}/cancel`, { graceSeconds: 1 })
    expect(cancelled).toMatchObject({ status: 202, body: { id, cancelRequested: true } })
    expect(await agent.takeCommand()).toMatchObject({
      operation: { name: 'cancel', target: id, graceSeconds: 1 },
    })
    await agent.reply(command, aResult([], { state: 'cancelled' }))
    expect(await read(id, 20)).toMatchObject({ state: 'cancelled' })
    const { body } = await controller.api.get('/v1/commands')
    expect(body['commands']).toHaveLength(1)
  })
})

describe('a controller that is killed and started again', () => {
  test('before the agent took the command: it is there, once', async () => {
    const id = await order()
    await controller.restart()
    const command = await agent.takeCommand()
    expect(command.id).toBe(id)
    await agent.reply(command, aResult())
    expect(await read(id, 20)).toMatchObject({ state: 'succeeded' })
  })

  test('while the agent worked: what it answered meanwhile is booked', async () => {
    const id = await order()
    const command = await agent.takeCommand()
    await controller.restart()
    const pieces = outputOf(['stdout', 'x'])
    await agent.reply(command, { kind: 'accepted', accepted: { at: new Date() } }, ...pieces)
    await expect.poll(async () => (await read(id))['outputBytes']).toBe(1)
    await controller.restart()
    await agent.reply(command, ...pieces, aResult(pieces))
    expect(await read(id, 20)).toMatchObject({ state: 'succeeded', outputComplete: true })
  })

  test('after the end: the record and the output are there', async () => {
    const id = await order()
    const command = await agent.takeCommand()
    const pieces = outputOf(['stderr', 'kept'])
    await agent.reply(command, ...pieces, aResult(pieces))
    await read(id, 20)
    await controller.restart()
    expect(await read(id)).toMatchObject({ state: 'succeeded' })
    const raw = await controller.api.raw({ path: `/v1/commands/${id}/output?stream=stderr` })
    expect(await raw.body.text()).toBe('kept')
  })
})
