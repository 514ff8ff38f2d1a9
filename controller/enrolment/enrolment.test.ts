import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { realWorld } from '../../protocol/real-world.ts'
import {
  aResult,
  createMiniatureAgent,
  type MiniatureAgent,
  readBootstrap,
} from '../../test/controller/miniature-agent.ts'
import { startTestController, type TestController } from '../../test/controller/test-controller.ts'
import { fakeWorld } from '../../test/fake-world.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const world = realWorld()
let parts: AsyncDisposableStack
let controller: TestController

beforeEach(async () => {
  parts = new AsyncDisposableStack()
  controller = parts.use(await startTestController(world))
  await controller.api.post('/v1/clusters', { name: 'c1' })
})
afterEach(async () => await parts.disposeAsync())

async function newAgent(name?: string, uuid?: string): Promise<MiniatureAgent> {
  const bootstrap = await readBootstrap(controller.api, 'c1', name)
  return parts.use(await createMiniatureAgent(bootstrap, world, uuid))
}

async function aChallenge(instanceUuid: string) {
  const { body } = await controller.api.post('/v1/clusters/c1/challenges', { instanceUuid })
  const challenge = Buffer.from(z.string().parse(body['challenge']), 'base64url')
  return { body, challenge: Uint8Array.from(challenge) }
}

async function newChallenged(uuid: string): Promise<MiniatureAgent> {
  const bootstrap = await readBootstrap(controller.api, 'c1', undefined, { challenge: true })
  expect(bootstrap.needsChallenge).toBe(true)
  return parts.use(await createMiniatureAgent(bootstrap, world, uuid))
}

async function instance(name: string) {
  return (await controller.api.get(`/v1/clusters/c1/instances/${name}`)).body
}

describe('an agent whose user-data needs a challenge', () => {
  const uuid = 'a1b2c3d4-0000-4000-8000-00000000000a'
  const neighbour = 'a1b2c3d4-0000-4000-8000-00000000000b'
  test('is let in by its own, which is the same after a restart, and then needs it no more', async () => {
    const agent = await newChallenged(uuid)
    const { body, challenge } = await aChallenge(uuid.toUpperCase())
    expect(body).toMatchObject({ key: 'sahara-agent-challenge', required: true })
    await controller.restart()
    expect((await aChallenge(uuid)).challenge).toEqual(challenge)
    expect(await agent.enrol({ challenge })).toMatchObject({ verdict: 'welcome' })
    expect(await agent.enrol()).toMatchObject({ verdict: 'welcome' })
  })

  test('cannot take the place of a neighbour that is still booting', async () => {
    const thief = await newChallenged(neighbour)
    const own = await aChallenge(uuid)
    for (const shown of [{}, { challenge: own.challenge }, { challenge: new Uint8Array(32) }]) {
      expect(await thief.enrol(shown)).toMatchObject({
        verdict: 'refused',
        reason: { code: 'challenge-missing' },
      })
    }
    const rightful = await newChallenged(neighbour)
    const { challenge } = await aChallenge(neighbour)
    expect(await rightful.enrol({ challenge })).toMatchObject({ verdict: 'welcome' })
  })

  test('is told apart from a cluster that asks for none', async () => {
    await readBootstrap(controller.api, 'c1')
    expect((await aChallenge(uuid)).body).toMatchObject({ required: false })
  })
})

describe('an agent with user-data of its own', () => {
  test('enrols, and gets one signed URL for each right', async () => {
    const agent = await newAgent('w1')
    expect(await instance('w1')).toMatchObject({ state: 'expected' })
    expect(await agent.enrol()).toMatchObject({ verdict: 'welcome', instanceName: 'w1' })
    const { claim, acknowledge, reply, lobby } = agent.welcomed().credentials
    expect([claim.methods, acknowledge.methods, reply.methods, lobby.methods]).toEqual([
      expect.toSatisfy((methods: string[]) => methods.toSorted().join() === 'DELETE,PATCH,POST'),
      ['DELETE'],
      ['POST'],
      ['GET'],
    ])
    for (const { paths } of [claim, acknowledge, reply, lobby]) expect(paths).toHaveLength(1)
    // The welcome may be there before the controller has noted that it is.
    const isNoted = async () => (await instance('w1'))['agentVersion'] !== null
    await vi.waitUntil(isNoted, { timeout: 30_000 })
    expect(await instance('w1')).toMatchObject({
      state: 'enrolled',
      instanceUuid: 'a1b2c3d4-0000-4000-8000-00000000000a',
      agentVersion: '0.0.1',
    })
  })

  test('is answered again when it asks again, also by a controller that was started anew', async () => {
    const agent = await newAgent('w1')
    await agent.enrol()
    const { instance: id, reportKey } = agent.welcomed()
    await controller.restart()
    expect(await agent.enrol()).toMatchObject({ verdict: 'welcome', instance: id, reportKey })
    expect(await agent.enrol({ purpose: 'renew' })).toMatchObject({ instance: id })
  })

  test('keeps a second key out, which is an alert, until an operator allows it', async () => {
    const agent = await newAgent('w1')
    await agent.enrol()
    const thief = parts.use(await createMiniatureAgent(agent.bootstrap, world))
    expect(await thief.enrol()).toMatchObject({
      verdict: 'refused',
      reason: { code: 'key-pinned' },
    })
    expect(await instance('w1')).toMatchObject({ alerts: [{ code: 'key-pinned' }] })

    const allowed = await controller.api.post('/v1/clusters/c1/instances/w1/allow-enrolment')
    expect(allowed.status).toBe(200)
    const before = agent.welcomed()
    expect(await thief.enrol()).toMatchObject({ verdict: 'welcome', instanceName: 'w1' })
    // Once: the first key cannot come back by itself, and nothing of the old instance is the new one's.
    expect(await agent.enrol()).toMatchObject({ verdict: 'refused' })
    expect(thief.welcomed().instance).not.toBe(before.instance)
    expect(thief.welcomed().credentials.claim.paths).not.toEqual(before.credentials.claim.paths)
  })

  test('is refused with a secret that is not ours', async () => {
    const agent = await newAgent('w1')
    const enrolmentSecret = Uint8Array.from(world.randomBytes(32))
    expect(await agent.enrol({ enrolmentSecret })).toMatchObject({
      reason: { code: 'secret-refused' },
    })
    expect(await instance('w1')).toMatchObject({ state: 'expected' })
  })
})

describe('the UUID of an enrolled instance', () => {
  test('cannot be claimed with user-data for another instance', async () => {
    await (await newAgent('w1')).enrol()
    const thief = await newAgent('w2', 'A1B2C3D4-0000-4000-8000-00000000000A')
    expect(await thief.enrol()).toMatchObject({ reason: { code: 'uuid-taken' } })
    expect(await instance('w1')).toMatchObject({ alerts: [{ code: 'uuid-taken' }] })
    expect(await instance('w2')).toMatchObject({ state: 'expected' })
  })
})

describe("agents with the cluster's user-data", () => {
  test('are named by themselves, and told apart by their UUIDs', async () => {
    const first = await newAgent(undefined, '11111111-aaaa')
    const second = await newAgent(undefined, '22222222-bbbb')
    await first.enrol({ hostName: 'worker' })
    await second.enrol({ hostName: 'worker' })
    expect(first.welcomed().instanceName).toBe('worker')
    expect(second.welcomed().instanceName).toBe('worker-22222222bbbb')
  })

  test('raise an alert when two UUIDs want one name: who came first may be the wrong one', async () => {
    await (await newAgent(undefined, '11111111-aaaa')).enrol({ hostName: 'worker' })
    expect(await instance('worker')).toMatchObject({ alerts: [] })
    await (await newAgent(undefined, '22222222-bbbb')).enrol({ hostName: 'worker' })
    expect(await instance('worker')).toMatchObject({
      alerts: [{ code: 'name-taken', message: expect.stringContaining('worker-22222222bbbb') }],
    })
  })

  test('are one instance, however they spell its UUID', async () => {
    const first = await newAgent(undefined, 'aaaaaaaa-bbbb')
    const second = await newAgent(undefined, 'AAAAAAAA-BBBB')
    await first.enrol({ hostName: 'worker' })
    expect(await second.enrol({ hostName: 'thief' })).toMatchObject({
      reason: { code: 'key-pinned' },
    })
    expect(await instance('worker')).toMatchObject({ alerts: [{ code: 'key-pinned' }] })
  })

  test('cannot take a name that is reserved by user-data of its own', async () => {
    await newAgent('w1')
    const other = await newAgent(undefined, '33333333-cccc')
    await other.enrol({ instanceName: 'w1' })
    expect(other.welcomed().instanceName).toBe('w1-33333333cccc')
  })
})

describe('a forgotten instance', () => {
  test('is gone, its commands have ended, and its key cannot come back', async () => {
    const agent = await newAgent('w1')
    await agent.enrol()
    const order = { operation: { name: 'ping' } }
    const { body } = await controller.api.post('/v1/clusters/c1/instances/w1/commands', order)
    const command = await agent.takeCommand()
    const waiting = controller.api.get(`/v1/commands/${String(body['id'])}?wait=20`)
    expect((await controller.api.delete('/v1/clusters/c1/instances/w1')).status).toBe(204)
    expect((await waiting).body).toMatchObject({ state: 'lost', instance: 'w1' })
    await agent.reply(command, aResult())
    expect(await instance('w1')).toMatchObject({ code: 'ERR_INSTANCE_NOT_FOUND' })
    expect(await agent.enrol()).toMatchObject({ reason: { code: 'secret-refused' } })
    const shared = await readBootstrap(controller.api, 'c1')
    const { enrolmentSecret } = shared
    expect(await agent.enrol({ enrolmentSecret })).toMatchObject({ verdict: 'welcome' })
  })
})

describe('a deleted cluster', () => {
  test('ends its commands, and its name is free again', async () => {
    const agent = await newAgent('w1')
    await agent.enrol()
    const order = { operation: { name: 'ping' } }
    const { body } = await controller.api.post('/v1/clusters/c1/instances/w1/commands', order)
    await agent.takeCommand()
    expect((await controller.api.delete('/v1/clusters/c1')).status).toBe(204)
    const record = (await controller.api.get(`/v1/commands/${String(body['id'])}`)).body
    expect(record).toMatchObject({ state: 'lost', cluster: 'c1' })
    expect((await controller.api.get('/v1/clusters/c1')).status).toBe(404)
    expect((await controller.api.post('/v1/clusters', { name: 'c1' })).status).toBe(201)
  })
})

describe('reports', () => {
  const heartbeat = {
    kind: 'heartbeat' as const,
    agentVersion: '9.9',
    bootId: 'b',
    uptimeSeconds: 1,
    running: [],
    owed: 0,
    clockOffsetMs: 42,
    at: new Date(),
  }

  test('are booked, and an old one that is replayed is not', async () => {
    const agent = await newAgent('w1')
    await agent.enrol()
    await agent.report({ ...heartbeat, sequence: 2 })
    await agent.report({ ...heartbeat, sequence: 1, agentVersion: '0.1' })
    await agent.report({ kind: 'alert', sequence: 3, at: new Date(), code: 'x', message: 'y' })
    await expect.poll(async () => (await instance('w1'))['alerts']).toMatchObject([{ code: 'x' }])
    expect(await instance('w1')).toMatchObject({ agentVersion: '9.9', clockOffsetMs: 42 })
  })

  test('and replies that are none are dropped, and hold up nothing', async () => {
    const agent = await newAgent('w1')
    await agent.enrol()
    await agent.post(
      null,
      { v: 2, sealed: 'x' },
      { v: 1, sealed: 'not.a.seal' },
      {
        v: 1,
        sealed: `${Buffer.from('{"typ":"sahara-reply","kid":"nobody"}').toString('base64url')}....`,
      },
    )
    await agent.report({ ...heartbeat, sequence: 1 })
    await expect.poll(async () => (await instance('w1'))['agentVersion']).toBe('9.9')
  })
})

describe('signed URLs', () => {
  test('are renewed in band at half of their life', async () => {
    const clock = fakeWorld()
    await using own = await startTestController(clock, {
      signedUrlLifeSeconds: 7200,
      heartbeatSeconds: 3600,
    })
    await own.api.post('/v1/clusters', { name: 'c1' })
    const bootstrap = await readBootstrap(own.api, 'c1', 'w1')
    await using agent = await createMiniatureAgent(bootstrap, clock)
    await agent.enrol()
    await clock.advance(3_599_000)
    const taking = agent.takeCommand()
    await clock.advance(1000)
    const { operation } = await taking
    expect(operation).toMatchObject({
      name: 'credentials',
      credentials: { claim: { expires: '2030-01-01T03:00:00' } },
    })
    const { body } = await own.api.get('/v1/commands')
    expect(body['commands']).toEqual([])
  })

  test('are renewed when they were to be, though a hello is replayed to a controller that was started anew', async () => {
    const clock = fakeWorld()
    const lives = { signedUrlLifeSeconds: 7200, heartbeatSeconds: 3600 }
    await using own = await startTestController(clock, lives)
    await own.api.post('/v1/clusters', { name: 'c1' })
    const bootstrap = await readBootstrap(own.api, 'c1', 'w1')
    await using agent = await createMiniatureAgent(bootstrap, clock)
    const hello = { nonce: Uint8Array.from(clock.randomBytes(24)) }
    await agent.enrol(hello)
    await clock.advance(3_000_000)
    await own.restart(lives)
    await agent.enrol(hello)
    const taking = agent.takeCommand()
    await clock.advance(600_000)
    expect((await taking).operation).toMatchObject({ name: 'credentials' })
  })
})
