import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { fakeWorld } from '../../test/fake-world.ts'
import {
  anotherClient,
  bodiesOf,
  locationOf,
  messagesOf,
  openTestQueue,
  type TestQueue,
} from '../../test/open-test-queue.ts'

const messages = '/v2/queues/q/messages'
const all = `${messages}?echo=true`

describe('messages that are posted', () => {
  test('come back in the order of their posts, bodies unchanged', async () => {
    await using queue = await openTestQueue()
    const bodies = [{ b: 1, a: [null, 'é😀"\\'] }, null, 'text', 0, [], { __proto__: 1 }]
    await queue.post('q', ...bodies.slice(0, 2))
    await queue.post('q', ...bodies.slice(2))
    const reply = await queue.send('GET', all)
    expect(bodiesOf(reply)).toEqual(JSON.parse(JSON.stringify(bodies)))
    expect(messagesOf(reply)[0]).toMatchObject({ ttl: 3600, age: 0 })
  })

  test('are told by their hrefs, which can be read', async () => {
    await using queue = await openTestQueue()
    const [href = ''] = await queue.post('q', 1)
    expect(href).toMatch(/^\/v2\/queues\/q\/messages\/[0-9a-f-]{36}$/)
    expect((await queue.send('GET', href)).body).toMatchObject({ body: 1, href })
    expect((await queue.send('GET', `${messages}?ids=${href.slice(-36)}`)).status).toBe(200)
  })

  test('are found in no other queue and no other project', async () => {
    await using queue = await openTestQueue()
    const [href = ''] = await queue.post('q', 1)
    const id = href.slice(-36)
    await queue.post('other', 2)
    const foreign = { headers: { 'x-project-id': 'p2' } }
    expect((await queue.send('GET', `/v2/queues/other/messages/${id}`)).status).toBe(404)
    expect((await queue.send('GET', href, foreign)).status).toBe(404)
    expect((await queue.send('DELETE', href, foreign)).status).toBe(204)
    await queue.send('DELETE', `/v2/queues/other/messages?ids=${id}`)
    expect((await queue.send('GET', href)).status).toBe(200)
  })

  test.for([
    ['no list', {}],
    ['an empty list', { messages: [] }],
    ['a message without a body', { messages: [{ ttl: 60 }] }],
    ['a time to live of 59 seconds', { messages: [{ body: 1, ttl: 59 }] }],
    ['a time to live of more than 14 days', { messages: [{ body: 1, ttl: 1_209_601 }] }],
    ['a time to live in text', { messages: [{ body: 1, ttl: '60' }] }],
    ['a delay of more than 900 seconds', { messages: [{ body: 1, delay: 901 }] }],
    ['an array', []],
  ])('are refused when the body is %s', async ([, body]) => {
    await using queue = await openTestQueue()
    const reply = await queue.send('POST', messages, { body })
    expect(reply.status).toBe(400)
    expect(reply.body).toHaveProperty('title')
    expect(bodiesOf(await queue.send('GET', all))).toEqual([])
  })

  test.for(['', 'nonsense', '{"messages":', Buffer.from([0x22, 0xff, 0x22])])(
    'are refused when the body is no JSON: %s',
    async (text) => {
      await using queue = await openTestQueue()
      expect(await queue.send('POST', messages, { text })).toMatchObject({
        status: 400,
        body: { title: 'Invalid request body' },
      })
    },
  )

  test('may be 262144 bytes in one post, and not one more', async () => {
    await using queue = await openTestQueue()
    const frame = JSON.stringify({ messages: [{ body: '' }] }).length
    const text = (size: number) =>
      JSON.stringify({ messages: [{ body: 'x'.repeat(size - frame) }] })
    expect((await queue.send('POST', messages, { text: text(262_144) })).status).toBe(201)
    expect((await queue.send('POST', messages, { text: text(262_145) })).status).toBe(400)
    expect((await queue.send('POST', messages, { text: text(2_000_000) })).status).toBe(400)
    await queue.send('PUT', '/v2/queues/small', { body: { _max_messages_post_size: 100 } })
    const small = await queue.send('POST', '/v2/queues/small/messages', { text: text(101) })
    expect(small.status).toBe(400)
  })

  test('are gone when their time to live is over', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    await queue.send('POST', messages, { body: { messages: [{ body: 1, ttl: 60 }, { body: 2 }] } })
    await world.advance(59_999)
    expect(messagesOf(await queue.send('GET', all))[0]).toMatchObject({ body: 1, age: 59 })
    await world.advance(1)
    expect(bodiesOf(await queue.send('GET', all))).toEqual([2])
    expect(bodiesOf(await queue.send('POST', '/v2/queues/q/claims'))).toEqual([2])
  })

  test('take the times of their queue where they have none of their own', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    const metadata = { _default_message_ttl: 120, _default_message_delay: 10 }
    await queue.send('PUT', '/v2/queues/q', { body: metadata })
    await queue.send('POST', messages, { body: { messages: [{ body: 1 }, { body: 2, delay: 0 }] } })
    expect(bodiesOf(await queue.send('POST', '/v2/queues/q/claims'))).toEqual([2])
    const delayed = await queue.send('GET', `${all}&include_delayed=true`)
    expect(messagesOf(delayed)[0]).toMatchObject({ body: 1, ttl: 120 })
    await world.advance(10_000)
    expect(bodiesOf(await queue.send('POST', '/v2/queues/q/claims'))).toEqual([1])
  })
})

describe('a list of messages', () => {
  test('goes on behind its marker, also when the marked message is deleted', async () => {
    await using queue = await openTestQueue()
    const hrefs = await queue.post('q', 1, 2, 3, 4, 5)
    const first = await queue.send('GET', `${all}&limit=2`)
    expect(bodiesOf(first)).toEqual([1, 2])
    await queue.send('DELETE', hrefs[1] ?? '')
    expect(bodiesOf(await queue.send('GET', nextOf(first)))).toEqual([3, 4])
    const both = await queue.send('GET', `${nextOf(first)}&include_claimed=true`)
    expect(bodiesOf(both)).toEqual([3, 4])
    const last = await queue.send('GET', `${all}&marker=${hrefs[4]?.slice(-36)}`)
    expect(last.body).toEqual({ messages: [], links: [] })
  })

  test('leaves out own messages before it counts the page', async () => {
    await using queue = await openTestQueue()
    await queue.post('q', ...Array.from({ length: 15 }, () => 'own'))
    const foreign = { 'client-id': anotherClient }
    const body = { messages: [{ body: 'foreign' }] }
    await queue.send('POST', messages, { body, headers: foreign })
    expect(bodiesOf(await queue.send('GET', messages))).toEqual(['foreign'])
    expect(bodiesOf(await queue.send('GET', messages, { headers: foreign }))).toHaveLength(10)
  })

  test('shows claimed messages only if asked to, with their claim', async () => {
    await using queue = await openTestQueue()
    await queue.post('q', 1, 2)
    const claim = await queue.send('POST', '/v2/queues/q/claims?limit=1')
    expect(bodiesOf(await queue.send('GET', all))).toEqual([2])
    const both = await queue.send('GET', `${all}&include_claimed=true`)
    expect(bodiesOf(both)).toEqual([1, 2])
    expect(messagesOf(both)[0]?.href).toContain(`?claim_id=${locationOf(claim).slice(-36)}`)
  })

  test.for([
    'limit=0',
    'limit=21',
    'limit=x',
    'limit=',
    'echo=maybe',
    'ids=',
    `ids=${'a,'.repeat(21)}`,
  ])('is refused with %s', async (query) => {
    await using queue = await openTestQueue()
    expect((await queue.send('GET', `${messages}?${query}`)).status).toBe(400)
  })
})

describe('deleting a message', () => {
  const cases = [
    ['it is free and no claim is named', 'free', undefined, 204],
    ['it is free and a claim is named', 'free', 'own', 400],
    ['it is claimed and its claim is named', 'claimed', 'own', 204],
    ['it is claimed and no claim is named', 'claimed', undefined, 403],
    ['it is claimed and another live claim is named', 'claimed', 'another', 403],
    ['it is claimed and an unknown claim is named', 'claimed', 'unknown', 400],
    ['it is gone', 'gone', undefined, 204],
  ] as const
  test.for(cases)('when %s', async ([, state, named, status]) => {
    await using queue = await openTestQueue()
    const [free = '', claimed = ''] = await queue
      .post('q', 1, 2)
      .then((hrefs) => hrefs.toReversed())
    const own = await queue.send('POST', '/v2/queues/q/claims?limit=1')
    const [elsewhere = ''] = await queue.post('q', 3)
    const hrefs = { free, claimed, gone: elsewhere }
    await queue.send('DELETE', elsewhere)
    const another = named === 'another' ? await queue.send('POST', '/v2/queues/q/claims') : own
    const ids = { own: idOf(own), another: idOf(another), unknown: 'nonsense' }
    const query = named === undefined ? '' : `?claim_id=${ids[named]}`
    expect((await queue.send('DELETE', `${hrefs[state]}${query}`)).status).toBe(status)
  })

  test('by several ids does not ask for claims', async () => {
    await using queue = await openTestQueue()
    const hrefs = await queue.post('q', 1, 2, 3)
    await queue.send('POST', '/v2/queues/q/claims?limit=1')
    const ids = hrefs.slice(0, 2).map((href) => href.slice(-36))
    expect((await queue.send('DELETE', `${messages}?ids=${ids.join(',')}`)).status).toBe(204)
    expect(bodiesOf(await queue.send('GET', `${all}&include_claimed=true`))).toEqual([3])
  })

  test('by pop gives the oldest free ones out, once', async () => {
    await using queue = await openTestQueue()
    await queue.post('q', 1, 2, 3)
    await queue.send('POST', '/v2/queues/q/claims?limit=1')
    const popped = await queue.send('DELETE', `${messages}?pop=20`)
    expect(popped.status).toBe(200)
    expect(messagesOf(popped)[0]).toMatchObject({ body: 2, claim_id: null, claim_count: 0 })
    expect(bodiesOf(await queue.send('DELETE', `${messages}?pop=1`))).toEqual([])
  })

  test.for(['', '?pop=1&ids=a', '?pop=0', '?pop=21'])(
    'is refused with the query "%s"',
    async (query) => {
      await using queue = await openTestQueue()
      expect((await queue.send('DELETE', `${messages}${query}`)).status).toBe(400)
    },
  )
})

const Links = z.object({ links: z.array(z.object({ rel: z.literal('next'), href: z.string() })) })

function nextOf(reply: Awaited<ReturnType<TestQueue['send']>>): string {
  return Links.parse(reply.body).links[0]?.href ?? ''
}

function idOf(claim: Awaited<ReturnType<TestQueue['send']>>): string {
  return locationOf(claim).slice(-36)
}
