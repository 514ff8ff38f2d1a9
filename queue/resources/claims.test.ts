import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { bodiesOf, locationOf, messagesOf, openTestQueue } from '../../test/open-test-queue.ts'

const claims = '/v2/queues/q/claims'

describe('a claim', () => {
  test('takes the oldest messages, ten unless told otherwise', async () => {
    await using queue = await openTestQueue()
    await queue.post('q', ...Array.from({ length: 12 }, (_, index) => index))
    const claim = await queue.send('POST', claims)
    expect(claim.status).toBe(201)
    expect(bodiesOf(claim)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(locationOf(claim)).toMatch(/^\/v2\/queues\/q\/claims\/[0-9a-f-]{36}$/)
    expect(messagesOf(claim)[0]?.href).toContain(`?claim_id=${locationOf(claim).slice(-36)}`)
    expect(bodiesOf(await queue.send('POST', `${claims}?limit=1`))).toEqual([10])
  })

  test.for(['q', 'empty'])('of nothing is answered 204, queue "%s"', async (name) => {
    await using queue = await openTestQueue()
    await queue.send('PUT', '/v2/queues/empty')
    const reply = await queue.send('POST', `/v2/queues/${name}/claims`)
    expect(reply).toMatchObject({ status: 204, body: undefined })
    expect(reply.headers).not.toHaveProperty('location')
  })

  test.for([
    [{ ttl: 59 }],
    [{ ttl: 43_201 }],
    [{ ttl: '60' }],
    [{ ttl: 60.5 }],
    [{ grace: 59 }],
    [{ grace: 43_201 }],
    [[]],
    ['text'],
  ])('is refused with the body %j', async ([body]) => {
    await using queue = await openTestQueue()
    await queue.post('q', 1)
    expect((await queue.send('POST', claims, { body })).status).toBe(400)
  })

  test('is over at the end of its time: its messages return to their old places', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    const [first = ''] = await queue.post('q', 1, 2, 3)
    const claim = await queue.send('POST', `${claims}?limit=2`, { body: { ttl: 60 } })
    await world.advance(59_999)
    expect(bodiesOf(await queue.send('POST', claims))).toEqual([3])
    await world.advance(1)
    for (const method of ['GET', 'PATCH']) {
      const reply = await queue.send(
        method,
        locationOf(claim),
        method === 'PATCH' ? { body: {} } : {},
      )
      expect(reply.status).toBe(404)
    }
    expect((await queue.send('DELETE', locationOf(claim))).status).toBe(204)
    expect(bodiesOf(await queue.send('POST', claims))).toEqual([1, 2])
    const late = `${first}?claim_id=${locationOf(claim).slice(-36)}`
    expect((await queue.send('DELETE', late)).status).toBe(400)
  })

  test('that is renewed begins anew, and keeps its messages alive', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    const body = { messages: [{ body: 1, ttl: 60 }] }
    await queue.send('POST', '/v2/queues/q/messages', { body })
    const claim = await queue.send('POST', claims, { body: { ttl: 60, grace: 60 } })
    expect(messagesOf(claim)[0]?.ttl).toBe(60)
    await world.advance(50_000)
    expect((await queue.send('PATCH', locationOf(claim), { body: { ttl: 600 } })).status).toBe(204)
    await world.advance(590_000)
    const seen = await queue.send('GET', locationOf(claim))
    expect(seen.body).toMatchObject({ age: 590, ttl: 600, href: locationOf(claim) })
    expect(messagesOf(seen)[0]).toMatchObject({ body: 1, ttl: 660, age: 640 })
    await world.advance(10_000)
    expect(bodiesOf(await queue.send('POST', claims))).toEqual([1])
  })

  test('prolongs a message that would end before it to its own time and the grace', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    const body = { messages: [{ body: 1, ttl: 60 }] }
    await queue.send('POST', '/v2/queues/q/messages', { body })
    const claim = await queue.send('POST', claims, { body: { ttl: 300, grace: 100 } })
    expect(messagesOf(claim)[0]?.ttl).toBe(400)
    await world.advance(399_999)
    expect(bodiesOf(await queue.send('GET', '/v2/queues/q/messages?echo=true'))).toEqual([1])
    await world.advance(1)
    expect(bodiesOf(await queue.send('GET', '/v2/queues/q/messages?echo=true'))).toEqual([])
  })

  test('that is released gives back its messages only, not those of other claims', async () => {
    await using queue = await openTestQueue()
    await queue.post('q', 1, 2, 3, 4)
    const a = await queue.send('POST', `${claims}?limit=1`)
    const b = await queue.send('POST', `${claims}?limit=2`)
    await queue.send('DELETE', locationOf(a))
    expect(bodiesOf(await queue.send('POST', claims))).toEqual([1, 4])
    expect(bodiesOf(await queue.send('GET', locationOf(b)))).toEqual([2, 3])
  })

  test('is still there when all its messages are deleted', async () => {
    await using queue = await openTestQueue()
    await queue.post('q', 1)
    const claim = await queue.send('POST', claims)
    await queue.send('DELETE', messagesOf(claim)[0]?.href ?? '')
    expect(await queue.send('GET', locationOf(claim))).toMatchObject({ status: 200 })
    expect(bodiesOf(await queue.send('GET', locationOf(claim)))).toEqual([])
  })

  test('is unknown in another queue', async () => {
    await using queue = await openTestQueue()
    await queue.post('q', 1)
    await queue.post('other', 1)
    const id = locationOf(await queue.send('POST', claims)).slice(-36)
    expect((await queue.send('GET', `/v2/queues/other/claims/${id}`)).status).toBe(404)
    expect((await queue.send('DELETE', `/v2/queues/other/claims/${id}`)).status).toBe(204)
    expect((await queue.send('GET', `/v2/queues/q/claims/${id}`)).status).toBe(200)
  })
})

describe('a message that was claimed too often', () => {
  test('goes to the dead-letter queue instead of out again', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    const metadata = {
      _max_claim_count: 2,
      _dead_letter_queue: 'dead',
      _dead_letter_queue_messages_ttl: 600,
    }
    await queue.send('PUT', '/v2/queues/q', { body: metadata })
    await queue.post('q', 'poison')
    for (let round = 0; round < 2; round += 1) {
      expect(bodiesOf(await queue.send('POST', claims, { body: { ttl: 60 } }))).toEqual(['poison'])
      await world.advance(60_000)
    }
    await queue.post('q', 'fresh')
    expect(bodiesOf(await queue.send('POST', claims))).toEqual(['fresh'])
    const dead = await queue.send('POST', '/v2/queues/dead/claims')
    expect(messagesOf(dead)).toMatchObject([{ body: 'poison', ttl: 600 }])
  })
})
