import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type Contract, connect, newQueue } from './contract-server.ts'

/** What we rely on about messages that nobody claims. */
export function describeMessages({ client, server }: Contract): void {
  describe('a message', () => {
    test.for([
      null,
      0,
      -1.5,
      'text with "quotes", é and 🚀',
      [],
      { nested: [{ deeper: null }] },
      '\u0000\u001f',
    ])('comes back as it was posted: %j', async (body) => {
      const queue = newQueue()
      const [id = ''] = await client().postMessages(queue, [{ body, ttlSeconds: 300 }])
      const message = await client().getMessage(queue, id)
      expect(message).toMatchObject({ id, body, ttlSeconds: 300 })
      expect(message?.ageSeconds).toBeLessThan(60)
    })

    test('that is not there is not found', async () => {
      expect(await client().getMessage(newQueue(), randomUUID())).toBeUndefined()
      expect(await client().getMessages(newQueue(), [randomUUID()])).toEqual([])
    })

    test('is found with others by their ids', async () => {
      const queue = newQueue()
      const ids = await client().postMessages(queue, [{ body: 1 }, { body: 2 }, { body: 3 }])
      const found = await client().getMessages(queue, [...ids.slice(1), randomUUID()])
      expect(new Set(found.map(({ body }) => body))).toEqual(new Set([2, 3]))
    })

    test('is gone once it is deleted, and deleting it again is no error', async () => {
      const queue = newQueue()
      const [id = ''] = await client().postMessages(queue, [{ body: 1 }])
      await client().deleteMessage(queue, id)
      await client().deleteMessage(queue, id)
      expect(await client().getMessage(queue, id)).toBeUndefined()
    })

    test('takes the default time to live of its queue', async () => {
      const queue = newQueue()
      await client().createQueue(queue, { _default_message_ttl: 120 })
      const [id = ''] = await client().postMessages(queue, [{ body: 1 }])
      expect(await client().getMessage(queue, id)).toMatchObject({ ttlSeconds: 120 })
    })
  })

  describe('messages', () => {
    test('are listed in the order of their posts, page after page, each once', async () => {
      const queue = newQueue()
      const bodies = numbers(45)
      await client().postMessages(
        queue,
        bodies.slice(0, 30).map((body) => ({ body })),
      )
      await client().postMessages(
        queue,
        bodies.slice(30).map((body) => ({ body })),
      )
      for (const pageSize of [2, 7, 20]) {
        const listed = await Array.fromAsync(client().listMessages(queue, { pageSize }))
        expect(listed.map(({ body }) => body)).toEqual(bodies)
      }
    })

    test('are listed to their end although the page before was deleted meanwhile', async () => {
      const queue = newQueue()
      await client().postMessages(
        queue,
        numbers(30).map((body) => ({ body })),
      )
      const bodies: unknown[] = []
      for await (const { id, body } of client().listMessages(queue, { pageSize: 5 })) {
        bodies.push(body)
        await client().deleteMessage(queue, id)
      }
      expect(bodies).toEqual(numbers(30))
    })

    test('of the same Client-ID are left out on request', async () => {
      const queue = newQueue()
      await client().postMessages(queue, [{ body: 'own' }])
      await using other = connect(server())
      await other.postMessages(queue, [{ body: 'foreign' }])
      const { items } = await client().listMessagePage(queue, { echo: false })
      expect(items.map(({ body }) => body)).toEqual(['foreign'])
    })

    test('that are claimed are listed on request only', async () => {
      const queue = newQueue()
      await client().postMessages(queue, [{ body: 'claimed' }, { body: 'free' }])
      await client().claimMessages(queue, { limit: 1 })
      const free = await Array.fromAsync(client().listMessages(queue))
      expect(free.map(({ body }) => body)).toEqual(['free'])
      const all = await Array.fromAsync(client().listMessages(queue, { includeClaimed: true }))
      expect(all.map(({ body }) => body)).toEqual(['claimed', 'free'])
    })

    test('are deleted many at a time', async () => {
      const queue = newQueue()
      const ids = await client().postMessages(
        queue,
        numbers(25).map((body) => ({ body })),
      )
      await client().deleteMessages(queue, ids.slice(1))
      const left = await Array.fromAsync(client().listMessages(queue))
      expect(left.map(({ id }) => id)).toEqual(ids.slice(0, 1))
    })

    test('are popped oldest first, but not those that are claimed', async () => {
      const queue = newQueue()
      await client().postMessages(queue, [{ body: 1 }, { body: 2 }, { body: 3 }])
      await client().claimMessages(queue, { limit: 1 })
      const popped = await client().popMessages(queue, 1)
      expect(popped.map(({ body }) => body)).toEqual([2])
      expect((await client().popMessages(queue, 20)).map(({ body }) => body)).toEqual([3])
      expect(await client().popMessages(queue, 20)).toEqual([])
    })

    test('of one project are not seen in another', async (context) => {
      if (server().auth.kind === 'token') context.skip('a token names its project itself')
      const queue = newQueue()
      await client().postMessages(queue, [{ body: 1 }])
      await using other = connect(server(), { projectId: randomUUID() })
      expect((await other.listMessagePage(queue)).items).toEqual([])
      expect((await other.claimMessages(queue)).messages).toEqual([])
    })

    test('are gone when their time to live has passed', async (context) => {
      const advance = server().advance ?? context.skip('nobody moves this clock')
      const queue = newQueue()
      const [id = ''] = await client().postMessages(queue, [{ body: 1, ttlSeconds: 60 }])
      await advance(59_000)
      expect(await client().getMessage(queue, id)).toMatchObject({ ageSeconds: 59 })
      await advance(2000)
      expect(await client().getMessage(queue, id)).toBeUndefined()
      expect((await client().claimMessages(queue)).messages).toEqual([])
    })
  })
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}
