import { randomUUID } from 'node:crypto'
import { realWorld } from '../../protocol/real-world.ts'
import { createZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import type { System } from '../system/start-system.ts'
import { waitFor } from '../system/wait-for.ts'

/** Whoever administers the queue service: holds its token, sees every message, and may post what he likes. */
export interface QueueKeeper {
  findWaitingCommand: () => Promise<SeenMessage>
  post: (queue: string, body: unknown) => Promise<void>
}

export interface SeenMessage {
  queue: string
  body: unknown
}

export async function hireQueueKeeper(system: System): Promise<QueueKeeper & AsyncDisposable> {
  const { keeper, url } = system.queue
  const client = createZaqarClient(
    { endpoint: url, clientId: randomUUID(), ...keeper },
    realWorld(),
  )
  const lookOnce = async (): Promise<SeenMessage | undefined> => {
    for await (const { name } of client.listQueues()) {
      if (!name.startsWith('sa-c-')) continue
      for await (const { body } of client.listMessages(name, { includeClaimed: true })) {
        return { queue: name, body }
      }
    }
    return undefined
  }
  return {
    findWaitingCommand: async () => {
      let seen: SeenMessage | undefined
      await waitFor('a command to wait in a queue', async () => {
        seen = await lookOnce()
        return seen !== undefined
      })
      if (!seen) throw new Error('no command waits')
      return seen
    },
    post: async (queue, body) => {
      await client.postMessages(queue, [{ body, ttlSeconds: 300 }])
    },
    [Symbol.asyncDispose]: client.close,
  }
}
