import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { fakeWorld } from '../../test/fake-world.ts'
import { bodiesOf, locationOf, openTestQueue } from '../../test/open-test-queue.ts'

const q = '/v2/queues/q'
const patchType = { 'content-type': 'application/openstack-messaging-v2.0-json-patch' }

describe('a queue', () => {
  test('is made once, and keeps its metadata', async () => {
    await using queue = await openTestQueue()
    const made = await queue.send('PUT', q, { body: { color: 'red' } })
    expect(made.status).toBe(201)
    expect(locationOf(made)).toBe(q)
    expect((await queue.send('PUT', q, { body: { color: 'blue' } })).status).toBe(204)
    expect((await queue.send('GET', q)).body).toMatchObject({
      color: 'red',
      _default_message_ttl: 3600,
      _max_messages_post_size: 262_144,
      _dead_letter_queue: null,
    })
  })

  test('that does not exist is read with the defaults, and is not made by that', async () => {
    await using queue = await openTestQueue()
    expect((await queue.send('GET', q)).status).toBe(200)
    await queue.send('POST', `${q}/claims`)
    await queue.send('GET', `${q}/messages`)
    expect((await queue.send('GET', '/v2/queues')).body).toEqual({ queues: [], links: [] })
    const stats = { claimed: 0, free: 0, total: 0 }
    expect((await queue.send('GET', `${q}/stats`)).body).toEqual({ messages: stats })
  })

  test.for([
    [[]],
    [{ _default_message_ttl: 59 }],
    [{ _default_message_ttl: '60' }],
    [{ _max_messages_post_size: 262_145 }],
    [{ _default_message_delay: 901 }],
    [{ _max_claim_count: -1 }],
    [{ _dead_letter_queue: 'a b' }],
    [{ _enable_encrypt_messages: true }],
    [{ filler: 'x'.repeat(65_536) }],
  ])('is not made with the metadata %j', async ([body]) => {
    await using queue = await openTestQueue()
    expect((await queue.send('PUT', q, { body })).status).toBe(400)
    expect((await queue.send('GET', '/v2/queues')).body).toMatchObject({ queues: [] })
  })

  test.for([
    ['an addition', [{ op: 'add', path: '/metadata/a~1b', value: 1 }], 200],
    [
      'a replacement of a reserved key',
      [{ op: 'replace', path: '/metadata/_default_message_ttl', value: 60 }],
      200,
    ],
    [
      'a replacement of a key that is not there',
      [{ op: 'replace', path: '/metadata/a', value: 1 }],
      409,
    ],
    ['a removal of a key that is not there', [{ op: 'remove', path: '/metadata/a' }], 409],
    [
      'a reserved value out of range',
      [{ op: 'add', path: '/metadata/_default_message_ttl', value: 1 }],
      400,
    ],
    ['another path', [{ op: 'add', path: '/name', value: 1 }], 400],
    ['another operation', [{ op: 'move', path: '/metadata/a' }], 400],
    ['an object', { op: 'add' }, 400],
  ] as const)('is patched by %s', async ([, body, status]) => {
    await using queue = await openTestQueue()
    await queue.send('PUT', q, { body: { color: 'red' } })
    const reply = await queue.send('PATCH', q, { body, headers: patchType })
    expect(reply.status).toBe(status)
    expect((await queue.send('GET', q)).body).toMatchObject({ color: 'red' })
    if (status === 200) expect((await queue.send('GET', q)).body).toEqual(reply.body)
  })

  test('is patched only if it exists, by a patch that says so', async () => {
    await using queue = await openTestQueue()
    const body = [{ op: 'add', path: '/metadata/a', value: 1 }]
    expect((await queue.send('PATCH', q, { body })).status).toBe(415)
    expect((await queue.send('PATCH', q, { headers: patchType })).status).toBe(400)
    expect((await queue.send('PATCH', q, { body, headers: patchType })).status).toBe(404)
  })

  test.for([
    ['deleted', 'DELETE', q],
    ['purged', 'POST', `${q}/purge`],
  ] as const)('that is %s loses its messages for good', async ([, method, path]) => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    await queue.post('q', 1, 2, 3)
    const claim = await queue.send('POST', `${q}/claims?limit=1`)
    expect((await queue.send(method, path)).status).toBe(204)
    await queue.post('q', 'new')
    expect((await queue.send('GET', locationOf(claim))).status).toBe(404)
    await world.advance(400_000)
    expect(bodiesOf(await queue.send('POST', `${q}/claims`))).toEqual(['new'])
    expect((await queue.send(method, path)).status).toBe(204)
  })

  test('tells its statistics', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    await queue.post('q', 1, 2)
    await world.advance(5000)
    await queue.post('q', 3)
    await queue.send('POST', `${q}/claims?limit=1`)
    expect((await queue.send('GET', `${q}/stats`)).body).toMatchObject({
      messages: { claimed: 1, free: 2, total: 3, oldest: { age: 5 }, newest: { age: 0 } },
    })
    await world.advance(300_000)
    expect((await queue.send('GET', `${q}/stats`)).body).toMatchObject({
      messages: { claimed: 0, free: 3 },
    })
  })
})

describe('the list of queues', () => {
  test('is of one project, by name, in pages', async () => {
    await using queue = await openTestQueue()
    for (const name of ['c', 'a', 'b.x']) await queue.send('PUT', `/v2/queues/${name}`)
    await queue.send('PUT', '/v2/queues/foreign', { headers: { 'x-project-id': 'p2' } })
    const first = await queue.send('GET', '/v2/queues?limit=2&with_count=true&detailed=true')
    const page = z
      .object({ links: z.array(z.object({ href: z.string() })), count: z.literal(3) })
      .parse(first.body)
    expect(first.body).toMatchObject({
      queues: [
        { name: 'a', href: '/v2/queues/a', metadata: { _default_message_ttl: 3600 } },
        { name: 'b.x' },
      ],
    })
    const second = await queue.send('GET', page.links[0]?.href ?? '')
    expect(second.body).toMatchObject({ queues: [{ name: 'c' }] })
  })
})
