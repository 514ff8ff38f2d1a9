import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { SignedUrl } from '../../protocol/signed-url/signed-url.ts'
import { fakeWorld } from '../../test/fake-world.ts'
import { aClient, bodiesOf, messagesOf, openTestQueue } from '../../test/open-test-queue.ts'

const noon = new Date('2030-01-01T12:00:00Z')

/** A service with one message in the queue `q.x`, and a signed URL for it. */
async function openShared(share: object) {
  const world = fakeWorld(noon)
  const queue = await openTestQueue({}, world)
  await queue.post('q.x', 1)
  await queue.post('qax', 2)
  const reply = await queue.send('POST', '/v2/queues/q.x/share', { body: share })
  return { queue, world, reply, url: SignedUrl.parse(reply.body) }
}

function headersOf(url: SignedUrl): Record<string, string> {
  return {
    'url-signature': url.signature,
    'url-expires': url.expires,
    'url-methods': url.methods.join(','),
    'url-paths': url.paths.join(','),
    'x-project-id': url.project,
    'client-id': aClient,
    // No token: an empty value takes the default header away.
    'x-auth-token': '',
  }
}

describe('a signed URL', () => {
  test('lets its holder claim, renew and release, and acknowledge, without a token', async () => {
    const { queue, url } = await openShared({
      paths: ['claims', 'messages'],
      methods: ['POST', 'GET', 'PATCH', 'DELETE'],
    })
    await using _ = queue
    const headers = headersOf(url)
    const claim = await queue.send('POST', '/v2/queues/q.x/claims', { headers })
    expect(bodiesOf(claim)).toEqual([1])
    const href = messagesOf(claim)[0]?.href ?? ''
    expect((await queue.send('GET', href.replace(/\?.*/, ''), { headers })).status).toBe(200)
    const location = z.string().parse(claim.headers['location'])
    expect((await queue.send('PATCH', location, { headers, body: {} })).status).toBe(204)
    expect((await queue.send('DELETE', href, { headers })).status).toBe(204)
    expect((await queue.send('DELETE', location, { headers })).status).toBe(204)
  })

  test('may name its paths and methods in another order, and its expiry in another form', async () => {
    const { queue, url } = await openShared({
      paths: ['messages', 'claims'],
      methods: ['POST', 'GET'],
    })
    await using _ = queue
    const headers = {
      ...headersOf(url),
      'url-methods': 'POST,GET',
      'url-paths': url.paths.toReversed().join(','),
      'url-expires': `${url.expires}Z`,
    }
    expect((await queue.send('GET', '/v2/queues/q.x/messages', { headers })).status).toBe(200)
  })

  const fits = { method: 'GET', path: '/v2/queues/q.x/messages', headers: {} }
  test.for([
    ['the method is another', { method: 'DELETE', path: '/v2/queues/q.x/messages?pop=1' }],
    ['the queue is another', { path: '/v2/queues/qax/messages' }],
    ['the queue does not exist', { path: '/v2/queues/none/messages' }],
    ['the collection is another', { method: 'POST', path: '/v2/queues/q.x/claims' }],
    ['the path only begins alike', { path: '/v2/queues/q.x/messagesandmore' }],
    ['the path is hidden in an encoded one', { path: '/v2/queues/q.x%2Fmessages' }],
    ['the path climbs', { path: '/v2/queues/q.x/messages/../../qax/messages' }],
    ['it is for the queue itself', { path: '/v2/queues/q.x' }],
    ['it is for the stats', { path: '/v2/queues/q.x/stats' }],
    ['it mints another', { method: 'POST', path: '/v2/queues/q.x/share' }],
    ['it purges', { method: 'POST', path: '/v2/queues/q.x/purge' }],
    ['it is for the service', { path: '/v2/health' }],
    ['the resource is unknown', { path: '/v2/topics' }],
    ['the signature is empty', { headers: { 'url-signature': ' ' } }],
    ['the signature is shorter', { headers: { 'url-signature': 'abc' } }],
    [
      'the signature is of right length, and wrong',
      { headers: { 'url-signature': '0'.repeat(64) } },
    ],
    ['the project is another', { headers: { 'x-project-id': 'p2' } }],
    ['the project is missing', { headers: { 'x-project-id': '' } }],
    ['the expiry is later', { headers: { 'url-expires': '2031-01-01T00:00:00' } }],
    ['the expiry is no moment', { headers: { 'url-expires': 'tomorrow' } }],
    ['the expiry is missing', { headers: { 'url-expires': '' } }],
    ['a method was added', { headers: { 'url-methods': 'GET,POST' } }],
    ['the methods are missing', { headers: { 'url-methods': '' } }],
    [
      'a path was added',
      { headers: { 'url-paths': '/v2/queues/q.x/messages,/v2/queues/qax/messages' } },
    ],
    ['the path was made a pattern', { headers: { 'url-paths': '/v2/queues/q.x/mess.*' } }],
    ['the paths are missing', { headers: { 'url-paths': '' } }],
    [
      'there is no Client-ID either, and a bad signature',
      { headers: { 'url-signature': 'x', 'client-id': '' } },
    ],
    [
      'a good token comes along with a bad signature',
      { headers: { 'url-signature': 'x', 'x-auth-token': 'TOKEN' } },
    ],
  ] as const)('is refused as if nothing were there when %s', async ([, change]) => {
    const { queue, url } = await openShared({})
    await using _ = queue
    const { method, path, headers } = { ...fits, ...change }
    const sent: Record<string, string> = { ...headersOf(url), ...headers }
    if (sent['x-auth-token'] === 'TOKEN') sent['x-auth-token'] = queue.service.token ?? ''
    expect(await queue.send(method, path, { headers: sent })).toMatchObject({
      status: 404,
      body: { title: '404 Not Found' },
    })
  })

  test('ends at its expiry, to the second', async () => {
    const { queue, world, url } = await openShared({ expires: '2030-01-01T13:00:00+00:30' })
    await using _ = queue
    expect(url.expires).toBe('2030-01-01T12:30:00')
    const headers = headersOf(url)
    await world.advance(30 * 60_000 - 1)
    expect((await queue.send('GET', fits.path, { headers })).status).toBe(200)
    await world.advance(1)
    expect((await queue.send('GET', fits.path, { headers })).status).toBe(404)
  })

  test('is for a day of reading messages unless asked otherwise', async () => {
    const { queue, reply } = await openShared({})
    await using _ = queue
    expect(reply.body).toMatchObject({
      paths: ['/v2/queues/q.x/messages'],
      methods: ['GET'],
      project: 'p1',
      expires: '2030-01-02T12:00:00',
    })
  })

  test.for([
    [{ paths: ['stats'] }],
    [{ paths: [] }],
    [{ methods: 'GET' }],
    [{ methods: ['GET,POST'] }],
    [{ expires: '2030-01-01T11:59:59' }],
    [{ expires: 1_900_000_000 }],
    [{ expires: 'soon' }],
    [{ whatever: 1 }],
  ])('is not made from %j', async ([body]) => {
    await using queue = await openTestQueue({}, fakeWorld(noon))
    expect((await queue.send('POST', '/v2/queues/q/share', { body })).status).toBe(400)
  })
})
