import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Contract, expectCode, newQueue } from './contract-server.ts'

const Notification = z.looseObject({
  body: z.unknown(),
  queue_name: z.string(),
  Message_Type: z.literal('Notification'),
})

/** Notifications are wake-ups: they say that a message came, and nothing is claimed by them. */
export function describeSubscriptions({ client }: Contract): void {
  describe('subscriptions', () => {
    test('a webhook is told of each message, which stays in the queue', async () => {
      await using hook = await startWebhook()
      const queue = newQueue()
      await client().createSubscription(queue, { subscriber: hook.url, ttlSeconds: 60 })
      await client().postMessages(queue, [{ body: { wake: 'up' }, ttlSeconds: 60 }])
      const told = Notification.parse(JSON.parse(await hook.nextBody()))
      expect(told).toMatchObject({ queue_name: queue, body: { wake: 'up' } })
      expect((await client().claimMessages(queue)).messages).toHaveLength(1)
    })

    test('the headers of a subscription come with each notification', async () => {
      await using hook = await startWebhook()
      const queue = newQueue()
      const options = { post_headers: { 'X-Wake': 'gateway' } }
      await client().createSubscription(queue, { subscriber: hook.url, options })
      await client().postMessages(queue, [{ body: 1, ttlSeconds: 60 }])
      await hook.nextBody()
      expect(hook.headers()).toMatchObject({ 'x-wake': 'gateway' })
    })

    test('a subscription is listed, prolonged and ended', async () => {
      const queue = newQueue()
      const subscriber = 'http://127.0.0.1:9/nobody'
      const { subscriptionId } = await client().createSubscription(queue, {
        subscriber,
        ttlSeconds: 60,
      })
      await client().prolongSubscription(queue, subscriptionId, 600)
      const listed = await Array.fromAsync(client().listSubscriptions(queue))
      expect(listed).toMatchObject([{ id: subscriptionId, subscriber, ttlSeconds: 600 }])
      await client().deleteSubscription(queue, subscriptionId)
      await client().deleteSubscription(queue, subscriptionId)
      expect(await Array.fromAsync(client().listSubscriptions(queue))).toEqual([])
      await expectCode(
        client().prolongSubscription(queue, subscriptionId, 600),
        'ERR_QUEUE_NOT_FOUND',
      )
    })

    test('the same subscriber has one subscription to a queue', async () => {
      const queue = newQueue()
      const subscription = { subscriber: 'http://127.0.0.1:9/once', ttlSeconds: 60 }
      const first = await client().createSubscription(queue, subscription)
      // Unconfirmed, as all are where nobody demands a confirmation: the same again is no error.
      expect(await client().createSubscription(queue, subscription)).toEqual(first)
    })

    test('all subscriptions are listed, over several pages', async () => {
      const queue = newQueue()
      const subscribers = Array.from({ length: 5 }, (_, index) => `http://127.0.0.1:9/${index}`)
      for (const subscriber of subscribers) await client().createSubscription(queue, { subscriber })
      const listed = await Array.fromAsync(client().listSubscriptions(queue, { pageSize: 2 }))
      expect(listed.map(({ subscriber }) => subscriber).toSorted()).toEqual(subscribers)
    })

    test('purging a queue ends its subscriptions', async () => {
      const queue = newQueue()
      await client().createSubscription(queue, { subscriber: 'http://127.0.0.1:9/x' })
      await client().purgeQueue(queue)
      expect(await Array.fromAsync(client().listSubscriptions(queue))).toEqual([])
    })

    test.for([
      ['a scheme that nobody serves', { subscriber: 'gopher://127.0.0.1/' }],
      ['a life under a minute', { subscriber: 'http://127.0.0.1:9/', ttlSeconds: 59 }],
    ] as const)('%s is refused', async ([, subscription]) => {
      await expectCode(
        client().createSubscription(newQueue(), subscription),
        'ERR_QUEUE_BAD_REQUEST',
      )
    })
  })
}

interface Webhook extends AsyncDisposable {
  url: string
  nextBody: () => Promise<string>
  /** Of the last notification. */
  headers: () => Record<string, unknown>
}

async function startWebhook(): Promise<Webhook> {
  const bodies: string[] = []
  let headers = {}
  const arrived = new EventTarget()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks).toString())
      headers = { ...request.headers }
      arrived.dispatchEvent(new Event('arrived'))
      response.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/`,
    nextBody: async () => {
      if (bodies.length === 0) await once(arrived, 'arrived')
      return bodies.shift() ?? ''
    },
    headers: () => headers,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
