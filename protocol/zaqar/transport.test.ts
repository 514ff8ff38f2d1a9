import type { Socket } from 'node:net'
import { Agent } from 'undici'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { type PlannedReply, startRawServer, startServer } from '../../test/programmable-server.ts'
import { SaharaAgentError } from '../errors.ts'
import { signUrl } from '../signed-url/sign-url.ts'
import type { Auth } from './authorize.ts'
import { createZaqarClient, type ZaqarClient, type ZaqarClientOptions } from './zaqar-client.ts'

const clientId = '3381af92-2b9e-11e3-b191-71861300734c'
const noon = new Date('2030-01-01T12:00:00Z')
const url = signUrl(
  {
    paths: ['/v2/queues/q/messages', '/v2/queues/q/claims'],
    methods: ['POST', 'GET'],
    project: 'signed-project',
    expires: noon,
  },
  'the key',
)
const signed = { kind: 'signed', url } as const
const dateAt = (iso: string) => ({ date: new Date(iso).toUTCString() })
const bareNotFound = { status: 404, body: '{"title":"404 Not Found"}' }

const tokens = (asked: (string | undefined)[]): Auth => ({
  kind: 'token',
  getToken: async (refused) => {
    asked.push(refused)
    return `token-${asked.length}`
  },
})
const text = (body: string) => ({ headers: { 'content-type': 'text/plain' }, body })
const zaqar = (title: string, description?: string) => ({
  body: JSON.stringify({ title, description }),
})

function serveOne(socket: Socket): void {
  socket.write('HTTP/1.1 204 No Content\r\n\r\n')
  socket.once('data', () => socket.end())
}

function anAgentOfOne(): Agent & AsyncDisposable {
  const agent = new Agent({ connections: 1 })
  return Object.assign(agent, { [Symbol.asyncDispose]: () => agent.destroy() })
}

function aClient(
  endpoint: string,
  options: Partial<ZaqarClientOptions> = {},
  world = fakeWorld(),
): ZaqarClient {
  const auth = { kind: 'none' } as const
  return createZaqarClient({ endpoint, clientId, projectId: 'p1', auth, ...options }, world)
}

async function failureOf(promise: Promise<unknown>): Promise<SaharaAgentError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (thrown instanceof SaharaAgentError) return thrown
  throw new Error('it did not fail as it should', { cause: thrown })
}

describe('credentials', () => {
  test('of a signed URL are all in headers, joined without spaces, under its own project', async () => {
    await using server = await startServer({ status: 204 })
    await using client = aClient(server.endpoint, { auth: signed })
    await client.claimMessages('q')
    const { headers } = server.requests[0] ?? {}
    expect(headers).toMatchObject({
      'url-signature': url.signature,
      'url-expires': '2030-01-01T12:00:00',
      'url-methods': 'GET,POST',
      'url-paths': '/v2/queues/q/claims,/v2/queues/q/messages',
      'x-project-id': 'signed-project',
      'client-id': clientId,
    })
    expect(headers).not.toHaveProperty('x-auth-token')
  })

  test('of one call go before those of the client', async () => {
    await using server = await startServer({ status: 204 })
    await using client = aClient(server.endpoint)
    await client.claimMessages('q', { auth: signed })
    expect(server.requests[0]?.headers['url-signature']).toBe(url.signature)
  })

  const keystone401 = {
    status: 401,
    headers: { 'www-authenticate': 'Keystone uri="http://keystone"' },
    body: '{"error":{"code":401,"title":"Unauthorized","message":"The request you have made requires authentication."}}',
  }
  test('are renewed once when a token is refused', async () => {
    const asked: (string | undefined)[] = []
    await using server = await startServer(keystone401, { status: 204 })
    await using client = aClient(server.endpoint, { auth: tokens(asked) })
    await client.ping()
    expect(asked).toEqual([undefined, 'token-1'])
    const sent = server.requests.map(({ headers }) => headers['x-auth-token'])
    expect(sent).toEqual(['token-1', 'token-2'])
  })

  test('are not renewed twice', async () => {
    await using server = await startServer(keystone401, keystone401)
    await using client = aClient(server.endpoint, { auth: tokens([]) })
    const failure = await failureOf(client.ping())
    expect(failure.code).toBe('ERR_QUEUE_UNAUTHORIZED')
    expect(failure.message).toContain('requires authentication')
    expect(server.requests).toHaveLength(2)
  })

  test('never come back in an error, not even from a page that shows the request', async () => {
    const page = `<h1>Forbidden</h1> url-signature: ${url.signature}`
    const headers = { 'content-type': 'text/html' }
    await using server = await startServer({ status: 403, headers, body: page })
    await using client = aClient(server.endpoint, { auth: signed })
    const failure = await failureOf(client.claimMessages('q'))
    expect(failure.message).toContain('<h1>Forbidden</h1> url-signature: [secret]')
    expect(JSON.stringify(failure)).not.toContain(url.signature)
  })
})

describe('an answer', () => {
  test.for([
    [
      '503 as plain text, when Keystone is down',
      { status: 503, ...text('The Keystone service is temporarily unavailable.') },
      'ERR_QUEUE_UNAVAILABLE',
    ],
    [
      '503 of the store',
      { status: 503, ...zaqar('Service temporarily unavailable') },
      'ERR_QUEUE_UNAVAILABLE',
    ],
    ['500', { status: 500, ...zaqar('Internal server error') }, 'ERR_QUEUE_UNAVAILABLE'],
    ['429', { status: 429 }, 'ERR_QUEUE_RATE_LIMITED'],
    [
      '400',
      { status: 400, ...zaqar('Invalid API request', 'limit is 1 to 20') },
      'ERR_QUEUE_BAD_REQUEST',
    ],
    [
      '400 for the size',
      {
        status: 400,
        ...zaqar('Invalid API request', 'Message collection size is too large. Max size 262144'),
      },
      'ERR_MESSAGE_TOO_LARGE',
    ],
    [
      '413 of a proxy',
      { status: 413, ...text('Request Entity Too Large') },
      'ERR_MESSAGE_TOO_LARGE',
    ],
    [
      '403 by policy',
      { status: 403, ...zaqar('Not authorized', 'You are not authorized') },
      'ERR_QUEUE_FORBIDDEN',
    ],
    ['404 without a signed URL', bareNotFound, 'ERR_QUEUE_NOT_FOUND'],
    ['404 of a proxy', { status: 404, ...text('no backend') }, 'ERR_QUEUE_REPLY_UNPARSABLE'],
    ['409', { status: 409, ...zaqar('Resource conflict', 'x') }, 'ERR_QUEUE_CONFLICT'],
    [
      '302 to a login page',
      { status: 302, headers: { location: '/login' } },
      'ERR_QUEUE_REPLY_UNPARSABLE',
    ],
    [
      '200 with an HTML page',
      { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Welcome' },
      'ERR_QUEUE_REPLY_UNPARSABLE',
    ],
    [
      '200 with half a JSON text',
      { status: 200, body: '{"messages":[' },
      'ERR_QUEUE_REPLY_UNPARSABLE',
    ],
    [
      '200 with JSON of another kind',
      { status: 200, body: '{"messages":{}}' },
      'ERR_QUEUE_REPLY_UNPARSABLE',
    ],
    ['200 with nothing', { status: 200 }, 'ERR_QUEUE_REPLY_UNPARSABLE'],
  ] satisfies [string, PlannedReply, string][])(
    'of %s has a code of its own',
    async ([, reply, code]) => {
      await using server = await startServer(reply)
      await using client = aClient(server.endpoint)
      const failure = await failureOf(client.listMessagePage('q'))
      expect(failure.code).toBe(code)
      expect(failure.message).toMatch(/^cannot list messages of queue "q": /)
    },
  )

  test('with bodies of messages in it is never quoted', async () => {
    const body = '{"messages":[{"body":"a tenant\'s secret"'
    await using server = await startServer({ status: 200, body })
    await using client = aClient(server.endpoint)
    expect((await failureOf(client.listMessagePage('q'))).message).not.toContain('secret')
  })

  test('is quoted with 512 bytes at most when it is a foreign page', async () => {
    const headers = { 'content-type': 'text/html' }
    await using server = await startServer({ status: 502, headers, body: 'x'.repeat(100_000) })
    await using client = aClient(server.endpoint)
    expect((await failureOf(client.ping())).message.length).toBeLessThan(1000)
  })

  test('that is too large is given up, not held in memory', async () => {
    const body = JSON.stringify({ messages: [], padding: 'x'.repeat(5000) })
    await using server = await startServer({ status: 200, body })
    await using client = aClient(server.endpoint, { maxReplyBytes: 4096 })
    const failure = await failureOf(client.listMessagePage('q'))
    expect(failure).toMatchObject({ code: 'ERR_QUEUE_REPLY_UNPARSABLE' })
    expect(failure.message).toContain('over 4096 bytes')
  })

  test('that never ends is cut at the limit', async () => {
    await using server = await startRawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n')
      const fill = () => {
        while (!socket.destroyed && socket.write('x'.repeat(65_536)));
      }
      socket.on('drain', fill)
      fill()
    })
    await using client = aClient(server.endpoint, { maxReplyBytes: 1_000_000 })
    expect((await failureOf(client.listMessagePage('q'))).message).toContain('over 1000000 bytes')
  })

  test('is told of as soon as its head is there', async () => {
    const head = Promise.withResolvers<void>()
    await using server = await startRawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n')
      void head.promise.then(() => socket.end('{"messages":[],"links":[]}'))
    })
    await using client = aClient(server.endpoint)
    const page = await client.listMessagePage('q', { onHead: head.resolve })
    expect(page.items).toEqual([])
  })

  test('of HTTP/1.0 that closes each time is read like any other', async () => {
    await using server = await startRawServer((socket) => {
      socket.end(
        'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"messages":[],"links":[]}',
      )
    })
    await using client = aClient(server.endpoint)
    for (let call = 0; call < 3; call += 1) {
      expect((await client.listMessagePage('q')).items).toEqual([])
    }
    expect(server.connectionCount()).toBe(3)
  })

  test.for([
    [
      'in the middle of its body',
      'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"mess',
      'ERR_QUEUE_UNREACHABLE',
    ],
    ['in the middle of its headers', 'HTTP/1.1 200 OK\r\nContent-', 'ERR_QUEUE_UNREACHABLE'],
    ['before its first byte', '', 'ERR_QUEUE_UNREACHABLE'],
    ['after a line that is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 'ERR_QUEUE_REPLY_UNPARSABLE'],
  ] as const)('that is cut %s is no answer', async ([, bytes, code]) => {
    await using server = await startRawServer((socket) => socket.end(bytes))
    await using client = aClient(server.endpoint)
    const failure = await failureOf(client.listMessagePage('q'))
    expect(failure.code).toBe(code)
    expect(failure.cause).toBeInstanceOf(Error)
  })

  test('that does not come is given up in time', async () => {
    const world = fakeWorld()
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>()
    await using server = await startRawServer(() => asked())
    await using client = aClient(server.endpoint, { requestTimeoutMs: 5000 }, world)
    const failing = failureOf(client.ping())
    await isAsked
    await world.advance(5000)
    const failure = await failing
    expect(failure).toMatchObject({ code: 'ERR_QUEUE_UNREACHABLE', reason: 'timeout' })
    expect(world.sleeperCount()).toBe(0)
  })

  test('that drips is given up in time as well', async () => {
    const world = fakeWorld()
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>()
    await using server = await startRawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{')
      asked()
    })
    await using client = aClient(server.endpoint, {}, world)
    const failing = failureOf(client.listMessagePage('q'))
    await isAsked
    await world.advance(30_000)
    expect(await failing).toMatchObject({ reason: 'timeout' })
  })

  test('of a long poll gets the time of its wait on top', async () => {
    const world = fakeWorld()
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<() => void>()
    await using server = await startRawServer((socket) => {
      asked(() => socket.end('HTTP/1.1 204 No Content\r\n\r\n'))
    })
    await using client = aClient(server.endpoint, { requestTimeoutMs: 5000 }, world)
    const claim = client.claimMessages('q', { waitSeconds: 30 })
    const answer = await isAsked
    await world.advance(34_999)
    answer()
    expect((await claim).messages).toEqual([])
  })
})

describe('a warm connection that the server closes just as it is used', () => {
  test('is replaced, and a call that may be repeated is', async () => {
    await using server = await startRawServer(serveOne)
    await using dispatcher = anAgentOfOne()
    await using client = aClient(server.endpoint, { dispatcher })
    for (let call = 0; call < 4; call += 1) await client.ping()
    expect(server.connectionCount()).toBe(4)
  })

  test('fails a call that must not be repeated', async () => {
    await using server = await startRawServer(serveOne)
    await using dispatcher = anAgentOfOne()
    await using client = aClient(server.endpoint, { dispatcher })
    await client.ping()
    const failure = await failureOf(client.postMessages('q', [{ body: 1 }]))
    expect(failure).toMatchObject({ code: 'ERR_QUEUE_UNREACHABLE', reason: 'reset' })
    expect(server.connectionCount()).toBe(1)
  })
})

describe('a call', () => {
  test('that is given up rejects with the reason of its signal', async () => {
    const stop = new AbortController()
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>()
    await using server = await startRawServer(() => asked())
    await using client = aClient(server.endpoint)
    const claim = client.claimMessages('q', { signal: stop.signal })
    claim.catch(() => undefined)
    await isAsked
    stop.abort(new Error('shutting down'))
    await expect(claim).rejects.toThrow('shutting down')
  })

  test('whose signal is aborted already sends nothing', async () => {
    await using server = await startServer()
    await using client = aClient(server.endpoint)
    const signal = AbortSignal.abort(new Error('shutting down'))
    await expect(client.ping({ signal })).rejects.toThrow('shutting down')
    expect(server.requests).toEqual([])
  })

  test('to a port that nobody listens on finds the service unreachable', async () => {
    const server = await startServer()
    await server[Symbol.asyncDispose]()
    await using client = aClient(server.endpoint)
    expect(await failureOf(client.ping())).toMatchObject({ reason: 'refused' })
  })

  test('over TLS to a server without it finds the service unreachable', async () => {
    await using server = await startServer({ status: 204 })
    await using client = aClient(server.endpoint.replace('http:', 'https:'))
    expect(await failureOf(client.ping())).toMatchObject({ reason: 'tls' })
  })
})

describe("the server's clock", () => {
  test('is told on each answer, errors included, but never from junk', async () => {
    await using server = await startServer(
      { status: 204, headers: dateAt('2030-01-01T00:00:01Z') },
      { status: 500, headers: dateAt('2030-01-01T00:00:02Z') },
      { status: 204, headers: { date: 'today' } },
    )
    const times: string[] = []
    const onServerTime = (time: Date | undefined) => times.push(time?.toISOString() ?? 'not told')
    await using client = aClient(server.endpoint, { onServerTime })
    await client.ping()
    await failureOf(client.ping())
    await client.ping()
    expect(times).toEqual(['2030-01-01T00:00:01.000Z', '2030-01-01T00:00:02.000Z', 'not told'])
  })

  test.for([
    [
      'by the server’s clock, though our own is slow',
      '2030-01-01T12:00:01Z',
      '2029-06-01T00:00:00Z',
      'ERR_SIGNED_URL_EXPIRED',
    ],
    [
      'not by the server’s clock, though our own is fast',
      '2030-01-01T11:59:59Z',
      '2031-06-01T00:00:00Z',
      'ERR_SIGNED_URL_REFUSED',
    ],
    [
      'by our own clock, when the server’s is junk',
      'junk',
      '2030-01-01T12:00:01Z',
      'ERR_SIGNED_URL_EXPIRED',
    ],
  ] as const)('tells an expired signed URL: %s', async ([, server, own, code]) => {
    const headers = server === 'junk' ? { date: 'junk' } : dateAt(server)
    await using service = await startServer({ ...bareNotFound, headers })
    await using client = aClient(service.endpoint, { auth: signed }, fakeWorld(new Date(own)))
    expect((await failureOf(client.claimMessages('q'))).code).toBe(code)
  })

  test('does not make a missing message a refused signed URL', async () => {
    const body = '{"title":"Not found","description":"Message x does not exist"}'
    await using server = await startServer({ status: 404, body })
    await using client = aClient(server.endpoint, { auth: signed })
    expect(await client.getMessage('q', 'x')).toBeUndefined()
  })

  test.for([
    ['120', 120_000],
    ['Tue, 01 Jan 2030 00:00:30 GMT', 30_000],
    ['soon', undefined],
  ] as const)('counts Retry-After: %s', async ([retryAfter, retryAfterMs]) => {
    const headers = { ...dateAt('2030-01-01T00:00:00Z'), 'retry-after': retryAfter }
    await using server = await startServer({ status: 503, headers })
    await using client = aClient(server.endpoint, {}, fakeWorld(new Date('2020-01-01')))
    expect(await failureOf(client.ping())).toMatchObject({ retryAfterMs })
  })
})

describe('a claim that is named', () => {
  const unavailable = {
    status: 503,
    body: '{"title":"Service temporarily unavailable","description":"x"}',
  }
  const gone = {
    title: 'Unable to delete',
    description: 'The specified claim does not exist or has expired.',
  }
  const notClaimed = {
    title: 'Unable to delete',
    description: 'A claim was specified, but the message is not currently claimed.',
  }
  const held = {
    title: 'Unable to delete',
    description: 'This message is claimed; it cannot be deleted without a valid claim ID.',
  }
  const claim = { claimId: 'c1', deadlineMs: 60_000 }

  test.for([
    [
      'a 404 that says so',
      { status: 404, body: '{"title":"Not found","description":"Claim x does not exist"}' },
      0,
      'ERR_CLAIM_LOST',
    ],
    ['a 503 past its deadline', unavailable, 60_000, 'ERR_CLAIM_LOST'],
    ['a 503 before its deadline', unavailable, 59_999, 'ERR_QUEUE_UNAVAILABLE'],
    ['a 400: it has expired', { status: 400, body: JSON.stringify(gone) }, 0, 'ERR_CLAIM_LOST'],
    [
      'a 400: the message is free',
      { status: 400, body: JSON.stringify(notClaimed) },
      0,
      'ERR_CLAIM_LOST',
    ],
    [
      'a 400 about something else',
      { status: 400, body: '{"title":"Missing header value"}' },
      0,
      'ERR_QUEUE_BAD_REQUEST',
    ],
    [
      'a 403: another one holds the message',
      { status: 403, body: JSON.stringify(held) },
      0,
      'ERR_CLAIM_LOST',
    ],
    [
      'a 403 by policy',
      { status: 403, body: '{"title":"Not authorized"}' },
      0,
      'ERR_QUEUE_FORBIDDEN',
    ],
  ] satisfies [string, PlannedReply, number, string][])(
    'is judged by %s',
    async ([, reply, elapsedMs, code]) => {
      const world = fakeWorld()
      await world.advance(elapsedMs)
      await using server = await startServer(reply)
      await using client = aClient(server.endpoint, {}, world)
      expect((await failureOf(client.deleteMessage('q', 'm1', { claim }))).code).toBe(code)
    },
  )

  test('may be missing: then a claimed message is a conflict', async () => {
    await using server = await startServer({ status: 403, body: JSON.stringify(held) })
    await using client = aClient(server.endpoint)
    expect((await failureOf(client.deleteMessage('q', 'm1'))).code).toBe('ERR_QUEUE_CONFLICT')
  })

  test('under a refused signed URL is not lost', async () => {
    await using server = await startServer({ ...bareNotFound, headers: dateAt('2029-01-01') })
    await using client = aClient(server.endpoint, { auth: signed })
    const failing = client.renewClaim('q', claim, { ttlSeconds: 60 })
    expect((await failureOf(failing)).code).toBe('ERR_SIGNED_URL_REFUSED')
  })
})
