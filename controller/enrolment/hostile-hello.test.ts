import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { realWorld } from '../../protocol/real-world.ts'
import { sealReport } from '../../protocol/sealing/seal-report.ts'
import {
  createMiniatureAgent,
  type MiniatureAgent,
  readBootstrap,
} from '../../test/controller/miniature-agent.ts'
import { startTestController, type TestController } from '../../test/controller/test-controller.ts'

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

async function alertsOf(name: string): Promise<unknown> {
  return (await controller.api.get(`/v1/clusters/c1/instances/${name}`)).body['alerts']
}

describe('a hello whose signing key is none', () => {
  test('does not hold up the other messages of its batch', async () => {
    const agent = await newAgent('w1')
    await agent.enrol()
    const bad = await agent.hello({ signingKey: { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' } })
    await agent.post(bad, ...(await sealedAlerts(agent, 19)))
    await expect.poll(async () => await alertsOf('w1')).toHaveLength(19)
  })
})

describe('a hello whose sealing key is none', () => {
  test.for(['AAAA', 'A'.repeat(43)])('is dropped, and enrols nothing: %s', async (x) => {
    const agent = await newAgent('w1')
    const bad = await agent.hello({ sealingKey: { kty: 'OKP', crv: 'X25519', x } })
    await agent.post(bad)
    expect(await agent.enrol()).toMatchObject({ verdict: 'welcome' })
  })
})

describe('the lobby', () => {
  test('gets no second answer to a hello that is replayed', async () => {
    const agent = await newAgent('w1')
    await agent.enrol()
    const hello = await agent.hello()
    await agent.post(hello)
    await expect.poll(agent.countLobby).toBe(2)
    await agent.post(hello, hello, hello)
    await agent.enrol()
    expect(await agent.countLobby()).toBe(3)
  })

  test('is not filled by strangers', async () => {
    const agent = await newAgent('w1')
    const enrolmentSecret = Uint8Array.from(world.randomBytes(32))
    const knocks = Array.from({ length: 20 }, async () => await agent.hello({ enrolmentSecret }))
    await agent.post(...(await Promise.all(knocks)))
    await agent.enrol()
    expect(await agent.countLobby()).toBeLessThanOrEqual(11)
  })
})

async function sealedAlerts(agent: MiniatureAgent, count: number) {
  const { instance: id, reportKey } = agent.welcomed()
  const place = { id, reportKey }
  return await Promise.all(
    Array.from({ length: count }, async (_, sequence) => {
      const code = `a${sequence}`
      const alert = { kind: 'alert' as const, at: world.now(), code, message: 'm', sequence }
      return await sealReport(alert, place)
    }),
  )
}
