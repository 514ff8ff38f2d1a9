import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Credentials } from '../protocol/messages/credentials.ts'
import { createZaqarClient, type ZaqarClient } from '../protocol/zaqar/zaqar-client.ts'
import { type FakeWorld, fakeWorld } from '../test/fake-world.ts'
import { type ProgrammableServer, startServer } from '../test/programmable-server.ts'
import { createGatewayPath, type GatewayPath } from './gateway-path.ts'

const versions = { status: 300, body: '{"versions":[]}' }
const broken = { status: 502, body: 'bad gateway' }

let world: FakeWorld
let path: GatewayPath
let server: ProgrammableServer
let credentials: Credentials

beforeEach(async () => {
  world = fakeWorld()
  server = await startServer(broken, broken, versions)
  const url = { paths: [], methods: [], project: 'p', expires: '2030-01-01T00:00:00' }
  const signed = { ...url, signature: '0'.repeat(64) }
  const urls = { claim: signed, acknowledge: signed, reply: signed, lobby: signed }
  credentials = { endpoint: 'http://127.0.0.1:9', ...urls, gateway: server.endpoint }
  const clientId = '3381af92-2b9e-11e3-b191-71861300734c'
  const connect = (endpoint: string): ZaqarClient =>
    createZaqarClient({ endpoint, clientId, projectId: 'p', auth: { kind: 'none' } }, world)
  path = createGatewayPath({ connect, world, log: pino({ level: 'silent' }) })
})
afterEach(async () => {
  await path[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

describe('the way through a gateway', () => {
  test('is none where the credentials name no gateway', () => {
    const { gateway: _none, ...without } = credentials
    expect(path.clientFor(without)).toBeUndefined()
  })

  test('is taken at first, and again after a claim that worked', () => {
    const client = path.clientFor(credentials)
    expect(client).toBeDefined()
    path.noteSuccess()
    expect(path.clientFor(credentials)).toBe(client)
  })

  test('is gone around after a failure, until the gateway gives a sign of life', async () => {
    const client = path.clientFor(credentials)
    path.noteFailure(new Error('cut'))
    expect(path.clientFor(credentials)).toBeUndefined()
    expect(server.requests).toHaveLength(0)
    for (const probes of [1, 2, 3]) {
      await world.advance(20_000)
      expect(path.clientFor(credentials)).toBeUndefined()
      await expect.poll(() => server.requests.length, { interval: 5 }).toBe(probes)
      // Asked once, however often a claim goes by.
      path.clientFor(credentials)
    }
    await expect.poll(() => path.clientFor(credentials), { interval: 5 }).toBe(client)
    expect(server.requests).toHaveLength(3)
    expect(server.requests[0]).toMatchObject({ method: 'GET', url: '/' })
  })

  test('begins anew with another gateway', async () => {
    path.clientFor(credentials)
    path.noteFailure(new Error('cut'))
    await using other = await startServer(versions)
    expect(path.clientFor({ ...credentials, gateway: other.endpoint })).toBeDefined()
  })
})
