import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { realWorld } from '../../protocol/real-world.ts'
import {
  aResult,
  createMiniatureAgent,
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
})
afterEach(async () => await parts.disposeAsync())

describe('the metrics of a controller', () => {
  test('tell of commands, instances and the queue, in Prometheus’ format', async () => {
    await controller.api.post('/v1/clusters', { name: 'c1' })
    const bootstrap = await readBootstrap(controller.api, 'c1', 'w1')
    const agent = parts.use(await createMiniatureAgent(bootstrap, world))
    await agent.enrol()
    const operation = { name: 'exec', argv: ['true'] }
    const ordered = await controller.api.post('/v1/clusters/c1/instances/w1/commands', {
      operation,
    })
    await agent.reply(await agent.takeCommand(), aResult())
    await controller.api.get(`/v1/commands/${String(ordered.body['id'])}?wait=20`)
    await controller.api.post('/v1/clusters/c1/instances/w1/commands', { operation })

    const answer = await controller.api.raw({ path: '/v1/metrics', method: 'GET' })
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    const text = await answer.body.text()
    for (const line of [
      /^sahara_controller_command_seconds_count\{state="succeeded"\} 1$/m,
      /^sahara_controller_command_latency_seconds_count 1$/m,
      /^sahara_controller_commands_open\{state="(?:queued|posted)"\} 1$/m,
      /^sahara_controller_commands_open\{state="accepted"\} 0$/m,
      /^sahara_controller_instances\{state="enrolled"\} 1$/m,
      /^sahara_controller_queue_requests_total\{action="claim",outcome="ok"\} \d+$/m,
      /^sahara_controller_queue_requests_total\{action="post",outcome="ok"\} \d+$/m,
    ]) {
      expect(text).toMatch(line)
    }
  })
})
