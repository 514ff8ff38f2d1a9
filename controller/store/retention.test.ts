import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
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

beforeEach(async () => {
  parts = new AsyncDisposableStack()
  world = fakeWorld()
  const retention = { days: 1, outputBytes: 8 }
  controller = parts.use(await startTestController(world, { retention, lostMarginSeconds: 86_400 }))
  await controller.api.post('/v1/clusters', { name: 'c1' })
  const bootstrap = await readBootstrap(controller.api, 'c1', 'w1')
  agent = parts.use(await createMiniatureAgent(bootstrap, world))
  await agent.enrol()
})
afterEach(async () => await parts.disposeAsync())

async function runCommand(output: string): Promise<string> {
  const content = { bytes: Buffer.from(output).toString('base64url') }
  const operation = { name: 'exec', argv: ['cat'], contentIs: 'stdin' }
  const path = '/v1/clusters/c1/instances/w1/commands'
  await controller.api.post(path, { operation, content })
  const command = await agent.takeCommand()
  const pieces = outputOf(['stdout', output])
  await agent.reply(command, ...pieces, aResult(pieces))
  await controller.api.get(`/v1/commands/${command.id}?wait=20`)
  return command.id
}

/** Lets the hours pass until the sweep has done its work. */
async function passHours(hours: number, isDone: () => Promise<boolean>): Promise<void> {
  for (let hour = 0; hour < hours; hour += 1) {
    await world.advance(3_600_000)
    for (let turn = 0; turn < 20 && !(await isDone()); turn += 1) await nextTurn()
  }
}

describe('what has ended', () => {
  test('gives up its output, the oldest first, when there is too much of it', async () => {
    const old = await runCommand('12345')
    await world.advance(1000)
    const fresh = await runCommand('6789')
    const readOutput = async (id: string) =>
      await controller.api.raw({ path: `/v1/commands/${id}/output?stream=stdout` })
    await passHours(1, async () => (await readOutput(old)).statusCode === 410)
    expect(await (await readOutput(old)).body.json()).toMatchObject({ code: 'ERR_OUTPUT_REMOVED' })
    expect(await (await readOutput(fresh)).body.text()).toBe('6789')
    expect((await controller.api.get(`/v1/commands/${old}`)).body).toMatchObject({ outputBytes: 5 })
  })

  test('is removed after its days, and its content before', async () => {
    const id = await runCommand('x')
    const contents = join(controller.stateDirectory, 'contents')
    expect(await readdir(contents)).toHaveLength(1)
    await passHours(4, async () => (await readdir(contents)).length === 0)
    expect(await readdir(contents)).toEqual([])
    const isGone = async () => (await controller.api.get(`/v1/commands/${id}`)).status === 404
    expect(await isGone()).toBe(false)
    await world.advance(24 * 3_600_000)
    await passHours(4, isGone)
    expect(await isGone()).toBe(true)
  })
})
