import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { generatePrivateKey } from '../../protocol/sealing/keys.ts'
import { createPostLimit } from '../../protocol/zaqar/post-limit.ts'
import { createZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import { type FakeWorld, fakeWorld } from '../../test/fake-world.ts'
import { type PlannedReply, startServer } from '../../test/programmable-server.ts'
import { createClusterKeyring } from '../cluster-keyring.ts'
import { createCluster } from '../clusters/create-cluster.ts'
import type { Context } from '../context.ts'
import { createDueBell } from '../deadlines/due-bell.ts'
import { createControllerMetrics } from '../metrics/controller-metrics.ts'
import { readControllerConfig } from '../read-config.ts'
import { insertInstance, markInstanceDeleted, pinInstance } from '../store/instances.ts'
import { openStore, type Store } from '../store/open-store.ts'
import { listSubscriptionsDue, nextSubscriptionAt } from '../store/subscriptions.ts'
import { createWakeups } from '../wakeups.ts'
import { startSubscriptionRenewals } from './start-subscription-renewals.ts'
import { subscribeGateway } from './subscribe-gateway.ts'

const instance = { id: '018f0000-0000-7000-8000-000000000001', commandQueue: 'sa-c-1' }
const notifyUrl = 'http://10.0.0.5:8890/'
const made = { status: 201, body: '{"subscription_id":"s-1"}' }
const ok = { status: 204 }
const gone = { status: 404, body: '{"title":"Not found","description":"no such subscription"}' }
const conflict = { status: 409, body: '{"title":"Resource conflict"}' }
const subscriptions = '/v2/queues/sa-c-1/subscriptions'

let directory: string
let world: FakeWorld
let store: Store
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sahara-subscriptions-'))
  world = fakeWorld()
  store = await openStore(directory, world)
})
afterEach(async () => {
  store[Symbol.dispose]()
  await rm(directory, { recursive: true })
})

async function openContext(endpoint: string, settings: object = { gateway: defaultGateway }) {
  const queue = { url: endpoint, auth: 'none', ...settings }
  const config = await readControllerConfig({ stateDirectory: directory, overrides: { queue } })
  const clientId = '6b29fc40-ca47-1067-b31d-00dd010662da'
  const auth = { kind: 'none' } as const
  const context: Context = {
    config,
    world,
    store,
    queue: createZaqarClient({ endpoint, clientId, projectId: 'p', auth }, world),
    postLimit: createPostLimit(world),
    advertised: { url: endpoint, certificateAuthority: undefined },
    keyring: createClusterKeyring(store),
    wakeups: createWakeups(),
    dueBell: createDueBell(),
    metrics: createControllerMetrics(store),
    log: pino({ level: 'silent' }),
  }
  return context
}

const defaultGateway = { url: 'http://gateway', notifyUrls: [notifyUrl] }

async function enrolInstance(context: Context): Promise<void> {
  const cluster = await createCluster(context, { name: 'c1' })
  const { kty, crv, x } = await generatePrivateKey('X25519')
  await store.write(() => {
    const row = { ...instance, clusterId: cluster.id, name: 'w1', createdAt: world.now() }
    insertInstance(store, row)
    pinInstance(store, instance.id, {
      instanceUuid: 'u',
      signingKeyId: 'k',
      sealingKey: { kty, crv, x },
      reportKey: world.randomBytes(32),
      now: world.now(),
    })
  })
}

async function play(...replies: PlannedReply[]) {
  const server = await startServer(...replies)
  const context = await openContext(server.endpoint)
  await enrolInstance(context)
  const subscribe = async () =>
    await subscribeGateway(context, instance, new AbortController().signal)
  const asked = () => server.requests.map(({ method, url }) => `${method} ${url}`)
  return {
    server,
    context,
    subscribe,
    asked,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

describe('a gateway', () => {
  test('is subscribed to an instance’s queue, and Zaqar is told not to try for long', async () => {
    await using played = await play(made, ok)
    await played.subscribe()
    expect(played.asked()).toEqual([`POST ${subscriptions}`, `PATCH ${subscriptions}/s-1`])
    const body = JSON.parse(played.server.requests[0]?.body ?? '')
    expect(body).toMatchObject({
      subscriber: notifyUrl,
      ttl: 3600,
      options: { _retry_policy: { retries_with_no_delay: 0, maximum_delay_retries: 0 } },
    })
  })

  test('is renewed before half of its time, and made again when it is gone', async () => {
    await using played = await play(made, ok, ok, gone, made, ok)
    await played.subscribe()
    await using _alarm = await startSubscriptionRenewals(played.context)
    await world.advance(1000 * 1400)
    expect(played.asked()).toHaveLength(2)
    await world.advance(1000 * 400)
    await expect.poll(played.asked).toHaveLength(3)
    expect(played.asked().at(-1)).toBe(`PATCH ${subscriptions}/s-1`)
    await world.untilSleeping()
    await world.advance(1000 * 1800)
    await expect.poll(played.asked).toHaveLength(6)
    expect(played.asked().slice(3)).toEqual([
      `PATCH ${subscriptions}/s-1`,
      `POST ${subscriptions}`,
      `PATCH ${subscriptions}/s-1`,
    ])
  })

  test('that is subscribed and confirmed already is found and prolonged', async () => {
    const listed = { id: 's-7', subscriber: notifyUrl, ttl: 60, age: 1 }
    const list = { status: 200, body: JSON.stringify({ subscriptions: [listed], links: [] }) }
    await using played = await play(conflict, list, ok)
    await played.subscribe()
    expect(played.asked().at(-1)).toBe(`PATCH ${subscriptions}/s-7`)
  })

  test('that cannot be subscribed is nobody’s error, and tried again after a minute', async () => {
    await using played = await play({ status: 503, body: 'away' }, made, ok)
    await played.subscribe()
    expect(nextSubscriptionAt(store)).toEqual(new Date(world.now().getTime() + 60_000))
    await using _alarm = await startSubscriptionRenewals(played.context)
    await world.advance(60_000)
    await expect.poll(played.asked).toHaveLength(3)
  })

  test('that is new in the configuration is subscribed for all that are enrolled', async () => {
    await using played = await play(made, ok)
    await using _alarm = await startSubscriptionRenewals(played.context)
    await expect.poll(played.asked).toHaveLength(2)
  })

  test('that is no longer in the configuration is left to its end', async () => {
    await using played = await play(made, ok)
    await played.subscribe()
    await using _alarm = await startSubscriptionRenewals(
      await openContext(played.server.endpoint, {}),
    )
    expect(nextSubscriptionAt(store)).toBeUndefined()
  })

  test('is not subscribed any more for an instance that is gone', async () => {
    await using played = await play(made, ok)
    await played.subscribe()
    await store.write(() => {
      markInstanceDeleted(store, instance.id, { now: world.now(), forgotten: true })
    })
    await world.advance(1000 * 3600)
    expect(nextSubscriptionAt(store)).toBeUndefined()
    expect(listSubscriptionsDue(store, world.now())).toEqual([])
  })
})
