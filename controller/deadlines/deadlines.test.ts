import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { openQueueService } from '../../queue/serve-queue.ts'
import {
  aResult,
  createMiniatureAgent,
  type MiniatureAgent,
  outputOf,
  readBootstrap,
} from '../../test/controller/miniature-agent.ts'
import { startTestController, type TestController } from '../../test/controller/test-controller.ts'
import { type FakeWorld, fakeWorld } from '../../test/fake-world.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let parts: AsyncDisposableStack
let world: FakeWorld
let controller: TestController
let agent: MiniatureAgent

/** A queue service that is not there. */
const noQueue = { queue: { url: 'http://127.0.0.1:9', auth: 'none' } }

beforeEach(async () => {
  parts = new AsyncDisposableStack()
  world = fakeWorld()
  controller = parts.use(await startTestController(world))
  await controller.api.post('/v1/clusters', { name: 'c1' })
  agent = parts.use(
    await createMiniatureAgent(await readBootstrap(controller.api, 'c1', 'w1'), world),
  )
  await agent.enrol()
  // The welcome may be there before the controller has noted that it is.
  const path = '/v1/clusters/c1/instances/w1'
  const isNoted = async () => (await controller.api.get(path)).body['agentVersion'] !== null
  await vi.waitUntil(isNoted, { timeout: 30_000 })
})
afterEach(async () => await parts.disposeAsync())

async function order(body: Record<string, unknown> = {}): Promise<string> {
  const command = { operation: { name: 'exec', argv: ['true'] }, ...body }
  const answer = await controller.api.post('/v1/clusters/c1/instances/w1/commands', command)
  return z.string().parse(answer.body['id'])
}

async function read(id: string) {
  return (await controller.api.get(`/v1/commands/${id}`)).body
}

/** Lets the clock run until the command is as it should be. */
async function passUntil(id: string, state: Record<string, unknown>): Promise<void> {
  for (let turn = 0; turn < 500; turn += 1) {
    const record = await read(id)
    if (Object.entries(state).every(([key, value]) => record[key] === value)) return
    await world.advance(1000)
    await nextTurn()
  }
  expect(await read(id)).toMatchObject(state)
}

describe('a command of which nothing is heard', () => {
  test('is lost some time after its deadline, not before', async () => {
    const id = await order({ startWithinSeconds: 100, timeoutSeconds: 50, graceSeconds: 10 })
    const command = await agent.takeCommand()
    await agent.reply(command, { kind: 'accepted', accepted: { at: world.now() } })
    await expect.poll(async () => (await read(id))['state']).toBe('accepted')
    await world.advance(219_000)
    expect(await read(id)).toMatchObject({ ended: false })
    await world.advance(1000)
    await expect.poll(async () => (await read(id))['state']).toBe('lost')
    expect(await read(id)).toMatchObject({ ended: true, result: null, outputComplete: false })
  })

  test('stays lost when its answer comes late, and that is an alert', async () => {
    const id = await order({ startWithinSeconds: 1, timeoutSeconds: 1, graceSeconds: 0 })
    const command = await agent.takeCommand()
    await passUntil(id, { state: 'lost' })
    await agent.reply(command, aResult())
    for (let turn = 0; turn < 100; turn += 1) {
      const { body } = await controller.api.get('/v1/clusters/c1/instances/w1')
      if (JSON.stringify(body['alerts']).includes('late-result')) break
      await world.advance(1000)
      await nextTurn()
    }
    const { body } = await controller.api.get('/v1/clusters/c1/instances/w1')
    expect(body['alerts']).toMatchObject([{ code: 'late-result' }])
    expect(await read(id)).toMatchObject({ state: 'lost' })
  })
})

describe('a command that cannot be sent', () => {
  beforeEach(async () => await controller.restart(noQueue))

  test('has expired when its time to start is over', async () => {
    const id = await order({ startWithinSeconds: 30 })
    await passUntil(id, { state: 'expired', ended: true, outputComplete: true })
  })

  test('is cancelled at once', async () => {
    const id = await order()
    // The first attempt is over once somebody waits for the next.
    await expect
      .poll(async () => {
        await controller.api.post(`/v1/commands/${id}/cancel`)
        return (await read(id))['state']
      })
      .toBe('cancelled')
  })

  test('goes out when the queue service is back', async () => {
    const id = await order()
    await controller.restart()
    expect(await agent.takeCommand()).toMatchObject({ id })
  })
})

describe('a result that came to the queue while no controller was there', () => {
  test('is heard, however late the controller comes back', async () => {
    const id = await order({ startWithinSeconds: 10, timeoutSeconds: 10, graceSeconds: 0 })
    const command = await agent.takeCommand()
    await world.advance(100)
    await vi.waitUntil(async () => (await read(id))['state'] === 'posted', { timeout: 30_000 })
    await controller.controller()[Symbol.asyncDispose]()
    {
      const port = Number(new URL(agent.bootstrap.endpoint).port)
      const database = join(controller.stateDirectory, 'queue.db')
      await using _queue = await openQueueService({ port, database, auth: 'token' }, world)
      await agent.reply(command, aResult())
    }
    await world.advance(200_000)
    await controller.restart()
    await vi.waitUntil(async () => (await read(id))['ended'], { timeout: 30_000 })
    expect(await read(id)).toMatchObject({ state: 'succeeded' })
  })
})

describe('output that was announced', () => {
  test('is waited for a while, then given up with an alert', async () => {
    const id = await order()
    const command = await agent.takeCommand()
    const [first, second] = outputOf(['stdout', 'one'], ['stdout', 'two'])
    if (!first || !second) throw new Error('two pieces')
    await agent.reply(command, second, aResult([first, second]))
    await passUntil(id, { ended: true })
    const response = await controller.api.raw({ path: `/v1/commands/${id}/output?follow=true` })
    const following = response.body.text()
    await world.advance(61_000)
    expect(await following).toBe('')
    expect(await read(id)).toMatchObject({ state: 'succeeded', outputComplete: false })
    const { body } = await controller.api.get('/v1/clusters/c1/instances/w1')
    expect(body['alerts']).toMatchObject([{ code: 'output-incomplete' }])
  })
})

describe('an instance that has gone silent', () => {
  test('is shown as such', async () => {
    await world.advance(181_000)
    const { body } = await controller.api.get('/v1/clusters/c1/instances/w1')
    expect(body).toMatchObject({ state: 'silent' })
  })
})
