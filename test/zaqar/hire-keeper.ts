import { randomUUID } from 'node:crypto'
import { openKeystoneSession } from '../../protocol/keystone/keystone-session.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { createZaqarClient, type ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import type { RealZaqar } from './start-zaqar.ts'
import { testCloud } from './test-cloud.ts'

/** A client with the right of the controller's project, for a test that acts as the queue's administrator. */
export async function hireKeeper(zaqar: RealZaqar): Promise<ZaqarClient> {
  const world = realWorld()
  const session = await openKeystoneSession(testCloud(zaqar), world)
  const client = createZaqarClient(
    {
      endpoint: zaqar.endpoint,
      clientId: randomUUID(),
      projectId: await session.getProjectId(),
      auth: { kind: 'token', getToken: session.getToken },
    },
    world,
  )
  const close = async () => {
    await client.close()
    await session[Symbol.asyncDispose]()
  }
  return { ...client, close, [Symbol.asyncDispose]: close }
}
