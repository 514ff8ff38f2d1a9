import { randomUUID } from 'node:crypto'
import { once } from 'node:events'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'

import { missingZaqarPackages } from './missing-packages.ts'
import { type RealZaqar, startZaqar } from './start-zaqar.ts'

const missing = missingZaqarPackages()
const needed = missing.length > 0 ? ` (skipped: apt-get install ${missing.join(' ')})` : ''
const startWithinMs = 120_000

type Headers = Record<string, string>

describe.skipIf(missing.length > 0)(`a real Zaqar with Keystone and WebSocket${needed}`, () => {
  let zaqar: RealZaqar
  let member: Headers

  beforeAll(async () => {
    zaqar = await startZaqar({ claimScript: 'safe' })
    member = await logIn(zaqar, 'controller')
  }, startWithinMs)

  afterAll(() => zaqar[Symbol.asyncDispose]())

  test('lists its own addresses in the catalogue', async () => {
    const { catalog } = (await requestToken(zaqar, 'controller')).token
    const urls = catalog.flatMap((entry) => entry.endpoints.map(({ url }) => [entry.type, url]))
    expect(urls).toContainEqual(['messaging', zaqar.endpoint])
    expect(urls).toContainEqual(['messaging-websocket', zaqar.websocketEndpoint])
    expect(urls).toContainEqual(['identity', zaqar.keystone?.authUrl])
  })

  test('turns away who has no token', async () => {
    const response = await call(zaqar, {}, 'GET', '/v2/queues')
    expect(response.status).toBe(401)
  })

  test('takes a message, and hands it out once', async () => {
    const queue = `/v2/queues/${randomUUID()}`
    expect((await call(zaqar, member, 'PUT', queue)).status).toBe(201)
    await post(zaqar, member, queue, { hello: 'world' })

    const claim = await call(zaqar, member, 'POST', `${queue}/claims`, {})
    expect(claim.status).toBe(201)
    const [message] = Claim.parse(await claim.json()).messages
    expect(message?.body).toEqual({ hello: 'world' })
    expect((await call(zaqar, member, 'POST', `${queue}/claims`, {})).status).toBe(204)
    expect((await call(zaqar, member, 'DELETE', message?.href ?? '')).status).toBe(204)
    expect((await call(zaqar, member, 'DELETE', queue)).status).toBe(204)
  })

  test('shares a signed URL, which needs no token and opens nothing else', async () => {
    const queue = `/v2/queues/${randomUUID()}`
    const signed = await share(zaqar, member, queue)
    await post(zaqar, signed, queue, 'from a guest')
    expect((await call(zaqar, signed, 'GET', `${queue}/messages`)).status).toBe(404)
    expect((await call(zaqar, signed, 'POST', `${queue}x/messages`, {})).status).toBe(404)
  })

  test('pushes a message over the WebSocket', async () => {
    const queue = `/v2/queues/${randomUUID()}`
    const socket = new WebSocket(zaqar.websocketEndpoint ?? '')
    await once(socket, 'open')
    const ask = async (action: string, headers: Headers, body: object) => {
      socket.send(JSON.stringify({ action, headers, body }))
      return Frame.parse(await nextFrame(socket)).headers?.status
    }
    expect(await ask('authenticate', member, {})).toBe(200)
    const subscription = { queue_name: queue.split('/').at(-1), ttl: 300 }
    expect(await ask('subscription_create', member, subscription)).toBe(201)

    const pushed = nextFrame(socket)
    await post(zaqar, member, queue, { wake: 'up' })
    expect(Frame.parse(await pushed).body).toEqual({ wake: 'up' })
    socket.close()
  })

  test('is down with Keystone, and up with it again', async () => {
    await zaqar.stopKeystone()
    await expect(logIn(zaqar, 'controller')).rejects.toThrow('fetch failed')
    await zaqar.startKeystone()
    const { status } = await call(zaqar, await logIn(zaqar, 'neighbour'), 'GET', '/v2/queues')
    expect(status).toBe(200)
  })
})

describe.skipIf(missing.length > 0)(`a real Zaqar alone, on uwsgi${needed}`, () => {
  const project = { 'X-Project-ID': 'p1' }
  let zaqar: RealZaqar

  beforeAll(async () => {
    zaqar = await startZaqar({ keystone: false, websocket: false, workers: 2, secretKey: 's3cr3t' })
  }, startWithinMs)

  afterAll(() => zaqar[Symbol.asyncDispose]())

  test('keeps what it has taken when Redis and Zaqar are killed', async () => {
    const queue = `/v2/queues/${randomUUID()}`
    await post(zaqar, project, queue, 'kept')
    await zaqar.stopRedis('SIGKILL')
    await zaqar.startRedis()
    await zaqar.restartZaqar('SIGKILL')
    expect(await claimBodies(zaqar, project, queue)).toEqual(['kept'])
  })

  test('forgets everything when Redis loses its data', async () => {
    const queue = `/v2/queues/${randomUUID()}`
    await post(zaqar, project, queue, 'lost')
    await zaqar.restartRedis({ keepData: false })
    // Each worker would answer 500 once, on the connection that Redis has left.
    await zaqar.restartZaqar()
    expect(await claimBodies(zaqar, project, queue)).toEqual([])
    await post(zaqar, project, queue, 'new')
    expect(await claimBodies(zaqar, project, queue)).toEqual(['new'])
  })

  test('lets signed URLs die when its secret is changed', async () => {
    const queue = `/v2/queues/${randomUUID()}`
    const signed = await share(zaqar, project, queue)
    await post(zaqar, signed, queue, 'in time')
    await zaqar.setSecretKey('another')
    const response = await call(zaqar, signed, 'POST', `${queue}/messages`, messages('late'))
    expect(response.status).toBe(404)
    await post(zaqar, await share(zaqar, project, queue), queue, 'in time again')
  })
})

describe.skipIf(missing.length > 0)(`the two claim scripts${needed}`, () => {
  // A claims m1, B claims m2, A releases: what may C have?
  test.for([
    ['stock', ['m1', 'm2', 'm3']],
    ['safe', ['m1', 'm3']],
  ] as const)(
    '"%s" gives a third claimer %j, of which a second one holds m2',
    { timeout: startWithinMs },
    async ([claimScript, expected]) => {
      await using zaqar = await startZaqar({ keystone: false, websocket: false, claimScript })
      const project = { 'X-Project-ID': 'p1' }
      const queue = `/v2/queues/${randomUUID()}`
      await post(zaqar, project, queue, 'm1', 'm2', 'm3')
      const first = await call(zaqar, project, 'POST', `${queue}/claims?limit=1`, {})
      expect(await claimBodies(zaqar, project, queue, 1)).toEqual(['m2'])
      await call(zaqar, project, 'DELETE', first.headers.get('location') ?? '')
      expect(await claimBodies(zaqar, project, queue)).toEqual(expected)
    },
  )
})

const Claim = z.looseObject({
  messages: z.array(z.looseObject({ body: z.unknown(), href: z.string() })),
})
const Frame = z.looseObject({
  body: z.unknown(),
  headers: z.looseObject({ status: z.int() }).optional(),
})
const Token = z.looseObject({
  token: z.looseObject({
    project: z.looseObject({ id: z.string() }),
    catalog: z.array(
      z.looseObject({
        type: z.string(),
        endpoints: z.array(z.looseObject({ url: z.string() })),
      }),
    ),
  }),
})
const Share = z.strictObject({
  paths: z.array(z.string()),
  methods: z.array(z.string()),
  project: z.string(),
  expires: z.string(),
  signature: z.string(),
})

async function requestToken({ keystone }: RealZaqar, name: 'controller' | 'neighbour') {
  if (keystone === undefined) throw new Error('started without Keystone')
  const { password, project } = keystone.users[name]
  const domain = { id: 'default' }
  const response = await fetch(`${keystone.authUrl}/auth/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: { user: { name, domain, password } } },
        scope: { project: { name: project, domain } },
      },
    }),
  })
  expect(response.status).toBe(201)
  const value = response.headers.get('X-Subject-Token') ?? ''
  return { value, token: Token.parse(await response.json()).token }
}

async function logIn(zaqar: RealZaqar, user: 'controller' | 'neighbour'): Promise<Headers> {
  const { value, token } = await requestToken(zaqar, user)
  return { 'X-Auth-Token': value, 'X-Project-ID': token.project.id, 'Client-ID': randomUUID() }
}

async function call(
  { endpoint }: RealZaqar,
  headers: Headers,
  method: string,
  path: string,
  body?: unknown,
): Promise<Response> {
  return await fetch(`${endpoint}${path}`, {
    method,
    headers: { 'Client-ID': randomUUID(), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

function messages(...bodies: unknown[]) {
  return { messages: bodies.map((body) => ({ body, ttl: 300 })) }
}

async function post(zaqar: RealZaqar, headers: Headers, queue: string, ...bodies: unknown[]) {
  const response = await call(zaqar, headers, 'POST', `${queue}/messages`, messages(...bodies))
  expect(response.status, await response.text()).toBe(201)
}

async function claimBodies(zaqar: RealZaqar, headers: Headers, queue: string, limit = 10) {
  const response = await call(zaqar, headers, 'POST', `${queue}/claims?limit=${limit}`, {})
  if (response.status === 204) return []
  expect(response.status).toBe(201)
  return Claim.parse(await response.json()).messages.map(({ body }) => body)
}

/** Mints a URL that may post on `queue`, and returns it as request headers. */
async function share(zaqar: RealZaqar, headers: Headers, queue: string): Promise<Headers> {
  const wanted = { paths: ['messages'], methods: ['POST'] }
  const response = await call(zaqar, headers, 'POST', `${queue}/share`, wanted)
  expect(response.status).toBe(200)
  const { paths, methods, project, expires, signature } = Share.parse(await response.json())
  return {
    'X-Project-ID': project,
    'URL-Paths': paths.join(','),
    'URL-Methods': methods.join(','),
    'URL-Expires': expires,
    'URL-Signature': signature,
  }
}

async function nextFrame(socket: WebSocket): Promise<unknown> {
  const [event] = await once(socket, 'message', { signal: AbortSignal.timeout(10_000) })
  return JSON.parse(z.object({ data: z.string() }).parse(event).data)
}
