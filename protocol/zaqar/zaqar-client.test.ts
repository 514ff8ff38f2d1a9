import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { type PlannedReply, startServer } from '../../test/programmable-server.ts'
import { ConfigInvalidError } from '../errors.ts'
import type { SignedUrl } from '../signed-url/signed-url.ts'
import { MessageTooLargeError } from './errors.ts'
import { splitIntoPosts } from './split-into-posts.ts'
import { createZaqarClient, type ZaqarClient } from './zaqar-client.ts'

const clientId = '3381af92-2b9e-11e3-b191-71861300734c'
const links = (marker: string) => [{ rel: 'next', href: `/v2/queues?marker=${marker}` }]
const wire = (id: string) => ({
  id,
  href: `/v2/queues/q/messages/${id}`,
  ttl: 60,
  age: 1,
  body: id,
})
const json = (status: number, value: unknown, headers = {}): PlannedReply => ({
  status,
  headers,
  body: JSON.stringify(value),
})

function aClient(endpoint: string, options = {}, world = fakeWorld()): ZaqarClient {
  const auth = { kind: 'token', getToken: async () => 'a-token' } as const
  return createZaqarClient({ endpoint, clientId, projectId: 'p1', auth, ...options }, world)
}

describe('a client', () => {
  test.for([
    [
      'creates a queue',
      (client) => client.createQueue('q', { _max_claim_count: 3 }),
      { status: 201 },
      'PUT /v2/queues/q {"_max_claim_count":3}',
      'created',
    ],
    [
      'finds a queue created',
      (client) => client.createQueue('q'),
      { status: 204 },
      'PUT /v2/queues/q {}',
      'existed',
    ],
    [
      'reads a queue',
      (client) => client.getQueue('q'),
      json(200, { a: 1 }),
      'GET /v2/queues/q',
      { a: 1 },
    ],
    [
      'changes a queue',
      (client) =>
        client.patchQueue('q', [
          { op: 'replace', key: 'a/b~c', value: 2 },
          { op: 'remove', key: 'd' },
        ]),
      json(200, { 'a/b~c': 2 }),
      'PATCH /v2/queues/q [{"op":"replace","value":2,"path":"/metadata/a~1b~0c"},{"op":"remove","path":"/metadata/d"}]',
      { 'a/b~c': 2 },
    ],
    [
      'deletes a queue',
      (client) => client.deleteQueue('q'),
      { status: 204 },
      'DELETE /v2/queues/q',
      undefined,
    ],
    [
      'counts messages',
      (client) => client.getQueueStats('q'),
      json(200, { messages: { claimed: 1, free: 2, total: 3, oldest: {} } }),
      'GET /v2/queues/q/stats',
      { claimed: 1, free: 2, total: 3 },
    ],
    [
      'purges a queue',
      (client) => client.purgeQueue('q', ['messages']),
      { status: 204 },
      'POST /v2/queues/q/purge {"resource_types":["messages"]}',
      undefined,
    ],
    [
      'lists one page of queues',
      (client) =>
        client.listQueuePage({ marker: 'a', pageSize: 2, detailed: true, withCount: true }),
      json(200, {
        queues: [{ name: 'b', href: '/v2/queues/b', metadata: { x: 1 } }],
        links: links('b'),
        count: 9,
      }),
      'GET /v2/queues?marker=a&limit=2&detailed=true&with_count=true',
      { items: [{ name: 'b', metadata: { x: 1 } }], nextMarker: 'b', count: 9 },
    ],
    [
      'posts messages',
      (client) =>
        client.postMessages('q', [{ body: null }, { body: 1, ttlSeconds: 60, delaySeconds: 5 }]),
      json(201, { resources: ['/v2/queues/q/messages/m1', '/v2/queues/q/messages/m2'] }),
      'POST /v2/queues/q/messages {"messages":[{"body":null},{"body":1,"ttl":60,"delay":5}]}',
      ['m1', 'm2'],
    ],
    [
      'lists one page of messages',
      (client) => client.listMessagePage('q', { marker: 'm0', pageSize: 5, echo: false }),
      json(200, { messages: [wire('m1')], links: links('m1') }),
      'GET /v2/queues/q/messages?limit=5&marker=m0&echo=false&include_claimed=false',
      {
        items: [
          { id: 'm1', body: 'm1', ageSeconds: 1, ttlSeconds: 60, href: '/v2/queues/q/messages/m1' },
        ],
        nextMarker: 'm1',
      },
    ],
    [
      'lists claimed messages from a marker that nothing has, as none at all is a 503',
      (client) => client.listMessagePage('q', { includeClaimed: true }),
      json(200, { messages: [] }),
      'GET /v2/queues/q/messages?limit=20&marker=0&echo=true&include_claimed=true',
      { items: [], nextMarker: undefined },
    ],
    [
      'reads a message whose id is in its href only',
      (client) => client.getMessage('q', 'm1'),
      json(200, {
        href: '/v2/queues/q/messages/m1?claim_id=c1',
        ttl: 60,
        age: 1,
        body: {},
        checksum: 'MD5:0',
      }),
      'GET /v2/queues/q/messages/m1',
      {
        id: 'm1',
        body: {},
        ageSeconds: 1,
        ttlSeconds: 60,
        claimId: 'c1',
        href: '/v2/queues/q/messages/m1?claim_id=c1',
      },
    ],
    [
      'finds no message',
      (client) => client.getMessage('q', 'm1'),
      json(404, { title: 'Not found', description: 'Message m1 does not exist' }),
      'GET /v2/queues/q/messages/m1',
      undefined,
    ],
    [
      'finds none of several messages',
      (client) => client.getMessages('q', ['m1', 'm2']),
      json(404, { title: 'Not found', description: 'none' }),
      'GET /v2/queues/q/messages?ids=m1,m2',
      [],
    ],
    [
      'deletes a message',
      (client) => client.deleteMessage('q', 'm1'),
      { status: 204 },
      'DELETE /v2/queues/q/messages/m1',
      undefined,
    ],
    [
      'deletes a claimed message',
      (client) => client.deleteMessage('q', 'm1', { claim: { claimId: 'c1' } }),
      { status: 204 },
      'DELETE /v2/queues/q/messages/m1?claim_id=c1',
      undefined,
    ],
    [
      'pops messages',
      (client) => client.popMessages('q', 2),
      json(200, {
        messages: [{ id: 'm1', age: 1, ttl: 60, body: 0, claim_id: 'c1', claim_count: 1 }],
      }),
      'DELETE /v2/queues/q/messages?pop=2',
      [{ id: 'm1', body: 0, ageSeconds: 1, ttlSeconds: 60, claimId: 'c1', claimCount: 1 }],
    ],
    [
      'reads a claim',
      (client) => client.getClaim('q', { claimId: 'c1' }),
      json(200, { age: 5, ttl: 60, href: '/v2/queues/q/claims/c1', messages: [] }),
      'GET /v2/queues/q/claims/c1',
      { ageSeconds: 5, ttlSeconds: 60, messages: [] },
    ],
    [
      'releases a claim',
      (client) => client.releaseClaim('q', { claimId: 'c1' }),
      { status: 204 },
      'DELETE /v2/queues/q/claims/c1',
      undefined,
    ],
    [
      'takes the release of a lost claim for done',
      (client) => client.releaseClaim('q', { claimId: 'c1' }),
      json(404, { title: 'Not found', description: 'Claim c1 does not exist' }),
      'DELETE /v2/queues/q/claims/c1',
      undefined,
    ],
    ['pings', (client) => client.ping(), { status: 204 }, 'GET /v2/ping', undefined],
    [
      'reads the health',
      (client) => client.getHealth(),
      json(200, { storage_reachable: true }),
      'GET /v2/health',
      { storage_reachable: true },
    ],
    [
      'reads the home document',
      (client) => client.getHome(),
      json(200, { resources: {} }),
      'GET /v2/',
      { resources: {} },
    ],
    [
      'reads the versions, which come as a 300',
      (client) => client.getVersions(),
      json(300, { versions: [{ id: '2', status: 'CURRENT', links: [] }] }),
      'GET /',
      [{ id: '2', status: 'CURRENT' }],
    ],
  ] satisfies [string, (client: ZaqarClient) => Promise<unknown>, PlannedReply, string, unknown][])(
    '%s',
    async ([, run, reply, request, result]) => {
      await using server = await startServer(reply)
      await using client = aClient(server.endpoint)
      expect(await run(client)).toEqual(result)
      const [seen] = server.requests
      expect(`${seen?.method} ${seen?.url} ${seen?.body}`.trim()).toBe(request)
      expect(seen?.headers).toMatchObject({
        'client-id': clientId,
        'x-project-id': 'p1',
        'x-auth-token': 'a-token',
        accept: 'application/json',
      })
    },
  )

  test('changes a queue under the one content type that Zaqar takes', async () => {
    await using server = await startServer(json(200, {}))
    await using client = aClient(server.endpoint)
    await client.patchQueue('q', [{ op: 'add', key: 'a', value: 1 }])
    expect(server.requests[0]?.headers['content-type']).toBe(
      'application/openstack-messaging-v2.0-json-patch',
    )
  })

  test('asks below the path of its endpoint', async () => {
    await using server = await startServer({ status: 204 })
    await using client = aClient(`${server.endpoint}/messaging/`)
    await client.ping()
    expect(server.requests[0]?.url).toBe('/messaging/v2/ping')
  })

  test('keeps its connection warm between calls', async () => {
    await using server = await startServer(...Array.from({ length: 9 }, () => ({ status: 204 })))
    await using client = aClient(server.endpoint)
    for (let call = 0; call < 9; call += 1) await client.ping()
    // A second one may be opened while the first is being put back.
    expect(server.connectionCount()).toBeLessThanOrEqual(2)
  })

  test('sends a post that was written before as it is', async () => {
    await using server = await startServer(json(201, { resources: [] }))
    await using client = aClient(server.endpoint)
    const [post] = splitIntoPosts([{ body: 'é' }])
    await client.postMessages('q', post ?? [])
    expect(server.requests[0]?.body).toBe(post?.json)
  })

  test('lets messages live as long as a service allows, once it has refused a longer life', async () => {
    const description =
      'The TTL for a message may not exceed 3600 seconds, and must be at least 60 seconds long.'
    await using server = await startServer(
      json(400, { title: 'Invalid API request', description }),
      ...Array.from({ length: 3 }, () => json(201, { resources: [] })),
    )
    const world = fakeWorld()
    await using client = aClient(server.endpoint, {}, world)
    const messages = [{ body: 1, ttlSeconds: 86_400 }, { body: 2, ttlSeconds: 60 }, { body: 3 }]
    await client.postMessages('q', messages)
    await client.postMessages('q', messages)
    const entries = [{ body: 1, ttl: 3600 }, { body: 2, ttl: 60 }, { body: 3 }]
    const allowed = JSON.stringify({ messages: entries })
    expect(server.requests.slice(1).map(({ body }) => body)).toEqual([allowed, allowed])
    // The operator may have raised it, or a hostile service have made it up.
    await world.advance(3_600_000)
    await client.postMessages('q', messages)
    expect(server.requests.at(-1)?.body).toBe(server.requests[0]?.body)
  })

  test('posts no second time what is refused for another reason', async () => {
    await using server = await startServer(json(400, { title: 'Invalid', description: 'no' }))
    await using client = aClient(server.endpoint)
    const posting = client.postMessages('q', [{ body: 1, ttlSeconds: 86_400 }])
    await expect(posting).rejects.toMatchObject({ code: 'ERR_QUEUE_BAD_REQUEST' })
    expect(server.requests).toHaveLength(1)
  })

  test('sends nothing when messages are over the limit of one post', async () => {
    await using server = await startServer()
    await using client = aClient(server.endpoint, { maxPostBytes: 100 })
    const messages = Array.from({ length: 9 }, () => ({ body: 'ten bytes.' }))
    await expect(client.postMessages('q', messages)).rejects.toThrow(MessageTooLargeError)
    expect(server.requests).toEqual([])
  })

  test('deletes and reads many messages in requests of twenty', async () => {
    await using server = await startServer(
      { status: 204 },
      { status: 204 },
      json(200, { messages: [wire('m1')] }),
      json(404, { title: 'Not found', description: 'none' }),
    )
    await using client = aClient(server.endpoint)
    const ids = Array.from({ length: 21 }, (_, index) => `m${index}`)
    await client.deleteMessages('q', ids)
    expect(await client.getMessages('q', ids)).toHaveLength(1)
    const path = '/v2/queues/q/messages?ids='
    const urls = [`${path}${ids.slice(0, 20).join(',')}`, `${path}m20`]
    expect(server.requests.map(({ url }) => url)).toEqual([...urls, ...urls])
  })

  test('lists queues until an empty page', async () => {
    await using server = await startServer(
      json(200, { queues: [{ name: 'a' }, { name: 'b.c' }], links: links('b.c') }),
      json(200, { queues: [{ name: 'd' }], links: links('d') }),
      json(200, { queues: [], links: [] }),
    )
    await using client = aClient(server.endpoint)
    const names = (await Array.fromAsync(client.listQueues())).map(({ name }) => name)
    expect(names).toEqual(['a', 'b.c', 'd'])
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/v2/queues?limit=20',
      '/v2/queues?marker=b.c&limit=20',
      '/v2/queues?marker=d&limit=20',
    ])
  })

  test('never lists messages in pages of one, which lead nowhere', async () => {
    await using server = await startServer(json(200, { messages: [wire('m1')], links: [] }))
    await using client = aClient(server.endpoint)
    await Array.fromAsync(client.listMessages('q', { pageSize: 1 }))
    expect(server.requests[0]?.url).toContain('limit=2')
  })

  test('mints a signed URL', async () => {
    const minted = {
      paths: ['/v2/queues/q/claims'],
      methods: ['DELETE', 'POST'],
      project: 'p1',
      expires: '2030-01-02T00:00:00',
      signature: 'a'.repeat(64),
    } satisfies SignedUrl
    await using server = await startServer(json(200, minted))
    await using client = aClient(server.endpoint)
    const expires = new Date('2030-01-02T00:00:00.900Z')
    const grant = { paths: ['claims'], methods: ['POST', 'DELETE'], expires } as const
    expect(await client.shareQueue('q', grant)).toEqual(minted)
    expect(server.requests[0]?.body).toBe(
      '{"paths":["claims"],"methods":["POST","DELETE"],"expires":"2030-01-02T00:00:00"}',
    )
  })

  test.for([
    [{ endpoint: 'ftp://cloud' }, /^endpoint:/],
    [{ endpoint: 'cloud' }, /^endpoint:/],
    [{ endpoint: 'https://user:pass@cloud' }, /^endpoint:/],
    [{ clientId: 'me' }, /^clientId:/],
  ] as const)('is not made with %j', ([options, message]) => {
    expect(() => aClient('http://cloud', options)).toThrow(ConfigInvalidError)
    expect(() => aClient('http://cloud', options)).toThrow(message)
  })
})

describe('a claim', () => {
  const claimed = { messages: [{ ...wire('m1'), href: '/v2/queues/q/messages/m1?claim_id=c1' }] }
  const location = { location: '/v2/queues/q/claims/c1' }
  const date = { date: 'Tue, 01 Jan 2030 12:00:00 GMT' }

  test('asks the server to hold the request, and says whether it did', async () => {
    const applied = { 'preference-applied': 'wait=20' }
    await using server = await startServer(json(201, claimed, { ...location, ...applied, ...date }))
    await using client = aClient(server.endpoint)
    const options = { limit: 5, ttlSeconds: 120, graceSeconds: 90, waitSeconds: 20 }
    const claim = await client.claimMessages('q', options)
    expect(claim).toEqual({
      claimId: 'c1',
      deadlineMs: 120_000,
      messages: [
        {
          id: 'm1',
          body: 'm1',
          ageSeconds: 1,
          ttlSeconds: 60,
          href: '/v2/queues/q/messages/m1?claim_id=c1',
          claimId: 'c1',
        },
      ],
      waited: true,
      serverTime: new Date('2030-01-01T12:00:00Z'),
    })
    const [seen] = server.requests
    expect(seen).toMatchObject({
      url: '/v2/queues/q/claims?limit=5',
      body: '{"ttl":120,"grace":90}',
    })
    expect(seen?.headers).toMatchObject({ prefer: 'wait=20' })
  })

  test.for([-1, 0.5, Number.NaN])('cannot be waited for %d seconds', async (waitSeconds) => {
    await using client = aClient('http://127.0.0.1:1')
    await expect(client.claimMessages('q', { waitSeconds })).rejects.toThrow(/whole number from 0/)
  })

  test('is no message and no claim when there is nothing', async () => {
    await using server = await startServer({ status: 204, headers: date })
    await using client = aClient(server.endpoint)
    const claim = await client.claimMessages('q')
    expect(claim).toMatchObject({ claimId: undefined, messages: [], waited: false })
    expect(server.requests[0]?.headers).not.toHaveProperty('prefer')
  })

  test('is known by its hrefs when a proxy has dropped Location', async () => {
    await using server = await startServer(json(201, claimed))
    await using client = aClient(server.endpoint)
    expect((await client.claimMessages('q')).claimId).toBe('c1')
  })

  test('that is nowhere named is no answer', async () => {
    await using server = await startServer(json(201, { messages: [wire('m1')] }))
    await using client = aClient(server.endpoint)
    await expect(client.claimMessages('q')).rejects.toThrow('it names no claim')
  })

  test('is renewed with both times, as Zaqar puts its defaults for what is missing', async () => {
    await using server = await startServer({ status: 204 })
    await using client = aClient(server.endpoint)
    const renewed = await client.renewClaim('q', { claimId: 'c1' }, { ttlSeconds: 600 })
    expect(renewed).toEqual({ claimId: 'c1', deadlineMs: 600_000 })
    expect(server.requests[0]).toMatchObject({
      method: 'PATCH',
      url: '/v2/queues/q/claims/c1',
      body: '{"ttl":600,"grace":60}',
    })
  })
})
