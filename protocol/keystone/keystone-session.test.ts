import { afterEach, describe, expect, test } from 'vitest'
import { type FakeWorld, fakeWorld } from '../../test/fake-world.ts'
import {
  type PlannedReply,
  type ProgrammableServer,
  startRawServer,
  startServer,
} from '../../test/programmable-server.ts'
import { resolveNetwork } from '../network/network-options.ts'
import type { Cloud } from './cloud.ts'
import { type KeystoneSession, openKeystoneSession } from './keystone-session.ts'

const closing: AsyncDisposable[] = []
afterEach(async () => {
  for (const opened of closing.splice(0)) await opened[Symbol.asyncDispose]()
})

const aToken = (value: string, lifeMinutes = 60): PlannedReply => ({
  status: 201,
  headers: { 'x-subject-token': value },
  body: JSON.stringify({
    token: {
      issued_at: '2020-01-01T00:00:00.000000Z',
      expires_at: new Date(Date.UTC(2020, 0, 1) + lifeMinutes * 60_000).toISOString(),
      project: { id: 'p1', name: 'demo' },
      catalog: [
        {
          type: 'messaging',
          endpoints: [{ interface: 'public', region_id: 'r', url: 'http://zaqar.example:8888' }],
        },
      ],
    },
  }),
})
const refused: PlannedReply = {
  status: 401,
  body: JSON.stringify({
    error: { code: 401, title: 'Unauthorized', message: 'The request requires authentication.' },
  }),
}
const away: PlannedReply = { status: 503, headers: { 'content-type': 'text/plain' }, body: 'away' }

function aCloud(server: { endpoint: string }, identity?: Cloud['identity']): Cloud {
  const domain = { id: 'default' }
  return {
    authUrl: `${server.endpoint}/v3`,
    interface: 'public',
    identity: identity ?? {
      method: 'password',
      user: { name: 'controller', domain },
      password: 'hunter2-secret',
      project: { name: 'demo', domain },
    },
  }
}

async function aSession(
  replies: PlannedReply[],
  identity?: Cloud['identity'],
): Promise<{ session: KeystoneSession; server: ProgrammableServer; world: FakeWorld }> {
  const server = await startServer(...replies)
  const world = fakeWorld()
  const session = await openKeystoneSession(aCloud(server, identity), world)
  closing.push(session, server)
  return { session, server, world }
}

describe('a Keystone session', () => {
  test('authenticates once for callers at the same time, and keeps the token', async () => {
    const { session, server } = await aSession([aToken('t1')])
    const both = await Promise.all([session.getToken(), session.getToken()])
    expect([...both, await session.getToken()]).toEqual(['t1', 't1', 't1'])
    expect(await session.getProjectId()).toBe('p1')
    expect(await session.findEndpoint('messaging')).toBe('http://zaqar.example:8888')
    expect(server.requests).toHaveLength(1)
  })

  test('asks for a token of the project, by password', async () => {
    const { session, server } = await aSession([aToken('t1')])
    await session.getToken()
    const [request] = server.requests
    expect(request?.url).toBe('/v3/auth/tokens')
    const domain = { id: 'default' }
    expect(JSON.parse(request?.body ?? '')).toEqual({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'controller', domain, password: 'hunter2-secret' } },
        },
        scope: { project: { name: 'demo', domain } },
      },
    })
  })

  test('shows an application credential without a scope, as Keystone wants it', async () => {
    const { session, server } = await aSession([aToken('t1')], {
      method: 'application_credential',
      credential: { id: 'c1' },
      secret: 's1',
    })
    await session.getToken()
    expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual({
      auth: {
        identity: {
          methods: ['application_credential'],
          application_credential: { id: 'c1', secret: 's1' },
        },
      },
    })
  })

  test('renews the token before it ends, by its life and not by our wall clock', async () => {
    const { session, world } = await aSession([aToken('t1'), aToken('t2')])
    await session.getToken()
    await world.advance(57 * 60_000)
    expect(await session.getToken()).toBe('t1')
    await world.advance(60_000)
    expect(await session.getToken()).toBe('t2')
  })

  test('replaces a refused token once, however many callers were refused', async () => {
    const { session, server } = await aSession([aToken('t1'), aToken('t2')])
    await session.getToken()
    const renewed = await Promise.all([session.getToken('t1'), session.getToken('t1')])
    expect([...renewed, await session.getToken('t1')]).toEqual(['t2', 't2', 't2'])
    expect(server.requests).toHaveLength(2)
  })

  test('keeps a token that is still good while Keystone is away, and asks again a little later', async () => {
    const { session, server, world } = await aSession([aToken('t1'), away, aToken('t2')])
    await session.getToken()
    await world.advance(58 * 60_000)
    expect(await session.getToken()).toBe('t1')
    expect(await session.getToken()).toBe('t1')
    expect(server.requests).toHaveLength(2)
    await world.advance(6_000)
    expect(await session.getToken()).toBe('t2')
  })

  test('does not ask again and again with a refused password, which could lock the account', async () => {
    const { session, server, world } = await aSession([refused, refused, aToken('t1')])
    await expect(session.getToken()).rejects.toMatchObject({ code: 'ERR_KEYSTONE_REFUSED' })
    await expect(session.getToken()).rejects.toMatchObject({ code: 'ERR_KEYSTONE_REFUSED' })
    expect(server.requests).toHaveLength(2)
    await world.advance(31_000)
    expect(await session.getToken()).toBe('t1')
  })

  test('ends the waiting of one caller only, when that one gives up', async () => {
    const { session } = await aSession([aToken('t1')])
    const abort = new AbortController()
    const impatient = session.getToken(undefined, abort.signal)
    const patient = session.getToken()
    abort.abort(new Error('enough'))
    await expect(impatient).rejects.toThrow('enough')
    expect(await patient).toBe('t1')
  })

  test('gives up after its time-out', async () => {
    const silent = await startRawServer(() => undefined)
    const world = fakeWorld()
    const session = await openKeystoneSession(aCloud(silent), world)
    closing.push(session, silent)
    const failure = expect(session.getToken()).rejects.toThrow('no whole answer within 30000 ms')
    await world.untilSleeping()
    await world.advance(30_000)
    await failure
  })
})

describe('an error of Keystone says which step failed', () => {
  test.for([
    ['nobody of that name and password', [refused, refused], 'ERR_KEYSTONE_REFUSED'],
    ['no role in the project', [refused, aToken('unscoped')], 'ERR_KEYSTONE_SCOPE'],
    ['Keystone is away', [away], 'ERR_KEYSTONE_UNREACHABLE'],
    [
      'a proxy answers',
      [{ status: 200, headers: { 'content-type': 'text/html' }, body: '<p>hunter2-secret' }],
      'ERR_KEYSTONE_UNREACHABLE',
    ],
    ['no Keystone at that path', [{ status: 404, body: '' }], 'ERR_KEYSTONE_UNREACHABLE'],
    ['a redirection', [{ status: 301, body: '' }], 'ERR_KEYSTONE_UNREACHABLE'],
    [
      'a token of no project',
      [
        {
          status: 201,
          headers: { 'x-subject-token': 't' },
          body: JSON.stringify({
            token: { issued_at: '2020-01-01T00:00:00Z', expires_at: '2020-01-01T01:00:00Z' },
          }),
        },
      ],
      'ERR_KEYSTONE_SCOPE',
    ],
  ] as const)('%s', async ([, replies, code]) => {
    const { session } = await aSession([...replies])
    const failure = session.getToken()
    await expect(failure).rejects.toMatchObject({ code })
    await expect(failure).rejects.not.toThrow('hunter2-secret')
  })

  test('nobody listens', async () => {
    const server = await startServer()
    const session = await openKeystoneSession(aCloud(server), fakeWorld())
    closing.push(session)
    await server[Symbol.asyncDispose]()
    await expect(session.getToken()).rejects.toThrow('refused')
  })

  test('the authority’s file is not there', async () => {
    const server = await startServer()
    closing.push(server)
    const cloud = { ...aCloud(server), certificateAuthorityFile: '/does/not/exist.pem' }
    await expect(openKeystoneSession(cloud, fakeWorld())).rejects.toMatchObject({
      code: 'ERR_CLOUD_INVALID',
    })
  })
})

describe('a session behind a proxy', () => {
  test('gets its token through it', async () => {
    const proxy = await startServer(aToken('by-proxy'))
    const network = resolveNetwork({ httpProxy: proxy.endpoint }, {})
    const cloud = aCloud({ endpoint: 'http://keystone.invalid:5000' })
    const session = await openKeystoneSession(cloud, fakeWorld(), { network })
    closing.push(session, proxy)
    expect(await session.getToken()).toBe('by-proxy')
  })
})
