import { randomUUID } from 'node:crypto'
import type { World } from '../../../protocol/world.ts'
import { createQueueClient } from './queue-client.ts'
import type { Service } from './queue-services.ts'
import { runBurst } from './run-burst.ts'

const bodyBytes = 1024
const burst = { durationMs: 2000, connections: 8 }

/** Puts a service to every use until it has compiled what it needs: one in production has done so long ago. */
export async function warmUp(service: Service, world: World): Promise<void> {
  await using client = createQueueClient(service, bodyBytes, burst.connections)
  const queue = randomUUID()
  const use = async () => {
    await client.post(queue)
    const ids = await client.claim(queue, 1)
    if (ids.length > 0) await client.delete(queue, ids)
    await client.list(queue)
    return true
  }
  await runBurst(use, burst, service, world)
  await client.drop(queue)
}
