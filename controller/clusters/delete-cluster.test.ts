import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { realWorld } from '../../protocol/real-world.ts'
import {
  aResult,
  createMiniatureAgent,
  readBootstrap,
} from '../../test/controller/miniature-agent.ts'
import { startTestController } from '../../test/controller/test-controller.ts'
import { StoreWriteError } from '../errors.ts'
import * as deletion from './delete-cluster.ts'

vi.mock('./delete-cluster.ts', { spy: true })

test('a cluster that the store does not let go still has its replies collected', async () => {
  const world = realWorld()
  await using controller = await startTestController(world)
  await controller.api.post('/v1/clusters', { name: 'c1' })
  const bootstrap = await readBootstrap(controller.api, 'c1', 'w1')
  await using agent = await createMiniatureAgent(bootstrap, world)
  await agent.enrol()
  const order = { operation: { name: 'exec', argv: ['true'] } }
  const path = '/v1/clusters/c1/instances/w1/commands'
  const id = z.string().parse((await controller.api.post(path, order)).body['id'])
  const command = await agent.takeCommand()
  vi.mocked(deletion.deleteCluster).mockRejectedValueOnce(new StoreWriteError('the disk is full'))
  expect((await controller.api.delete('/v1/clusters/c1')).status).toBe(507)
  await agent.reply(command, aResult())
  const { body } = await controller.api.get(`/v1/commands/${id}?wait=20`)
  expect(body).toMatchObject({ state: 'succeeded' })
}, 60_000)
