import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type KeystoneSession,
  openKeystoneSession,
} from '../../protocol/keystone/keystone-session.ts'
import { realWorld } from '../../protocol/real-world.ts'
import type { ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import { openZaqarSocket, type ZaqarSocketOptions } from '../../protocol/zaqar/zaqar-socket.ts'
import { startCluster } from '../system/start-cluster.ts'
import { hireKeeper } from './hire-keeper.ts'
import { missingZaqarPackages } from './missing-packages.ts'
import { type RealZaqar, startZaqar } from './start-zaqar.ts'
import { testCloud } from './test-cloud.ts'
import { zaqarUnderTest } from './zaqar-under-test.ts'

const missing = missingZaqarPackages()
const needed = missing.length > 0 ? ` (skipped: apt-get install ${missing.join(' ')})` : ''
const world = realWorld()

describe.skipIf(missing.length > 0)(`a WebSocket to the real Zaqar${needed}`, () => {
  let zaqar: RealZaqar
  let session: KeystoneSession
  let keeper: ZaqarClient
  beforeAll(async () => {
    zaqar = await startZaqar({ tokenLifeSeconds: 6 })
    session = await openKeystoneSession(testCloud(zaqar), world)
    keeper = await hireKeeper(zaqar)
  }, 120_000)
  afterAll(async () => {
    await keeper?.close()
    await session?.[Symbol.asyncDispose]()
    await zaqar?.[Symbol.asyncDispose]()
  })

  const open = async (differences: Partial<ZaqarSocketOptions> = {}) =>
    await openZaqarSocket(
      {
        url: await session.findEndpoint('messaging-websocket'),
        clientId: randomUUID(),
        projectId: await session.getProjectId(),
        token: await session.getToken(),
        onAnnounced: () => undefined,
        ...differences,
      },
      world,
    )

  test('announces each message of the queues that it subscribed to', async () => {
    const heard = new EventTarget()
    const queues: string[] = []
    const onAnnounced = (queue: string) => {
      queues.push(queue)
      heard.dispatchEvent(new Event('announced'))
    }
    await using socket = await open({ onAnnounced })
    const [mine, other] = [randomUUID(), randomUUID()]
    await socket.subscribe(mine, 60)
    const announced = once(heard, 'announced')
    await keeper.postMessages(other, [{ body: 1 }])
    await keeper.postMessages(mine, [{ body: 2 }])
    await announced
    expect(queues).toEqual([mine])
  })

  test('takes its subscriptions with it when it ends', async () => {
    const queue = randomUUID()
    const socket = await open()
    await socket.subscribe(queue, 600)
    expect(await Array.fromAsync(keeper.listSubscriptions(queue))).toHaveLength(1)
    await socket[Symbol.asyncDispose]()
    await expect
      .poll(async () => await Array.fromAsync(keeper.listSubscriptions(queue)))
      .toHaveLength(0)
  })

  test('refuses a token that Keystone does not know, and a project that is not the token’s', async () => {
    await expect(open({ token: 'stale' })).rejects.toMatchObject({ code: 'ERR_QUEUE_UNAUTHORIZED' })
    const projectId = zaqar.keystone?.projects.neighbour.id ?? ''
    await using socket = await open({ projectId })
    await expect(socket.subscribe('q', 60)).rejects.toMatchObject({ code: 'ERR_QUEUE_FORBIDDEN' })
    await expect(socket.ping()).rejects.toMatchObject({ code: 'ERR_QUEUE_FORBIDDEN' })
  })

  test('ends with its token, says so, and fails at once from then on', async () => {
    await using socket = await open()
    await socket.ping()
    expect(await socket.closed).toEqual({ code: 4003, authenticationEnded: true })
    await expect(socket.ping()).rejects.toMatchObject({ code: 'ERR_QUEUE_UNREACHABLE' })
  })

  test('brings a controller that hardly polls its replies', { timeout: 60_000 }, async () => {
    await using cluster = await startCluster({
      openQueue: async (directory) => {
        const queue = await zaqarUnderTest(() => zaqar)(directory)
        const poll = { ceilingSeconds: 300, announcedCeilingSeconds: 300 }
        return { ...queue, settings: { ...queue.settings, poll } }
      },
      agent: { poll: { ceilingSeconds: 0.5 } },
    })
    // Longer than its first short pauses last; only an announcement brings it back in time.
    for (const pauseMs of [0, 4_000, 8_000]) {
      await world.sleep(pauseMs)
      const operation = { name: 'ping' as const }
      const target = { cluster: 'test', instance: 'worker-1' }
      const [command] = (await cluster.api.postCommand(target, { operation })).value
      const begun = performance.now()
      let ended = false
      while (!ended) {
        ended = (await cluster.api.getCommand(command?.id ?? '', { wait: true })).value.ended
      }
      expect(performance.now() - begun).toBeLessThan(5_000)
    }
  })

  test('fails at once when nobody listens', async () => {
    await zaqar.stopZaqar('SIGKILL')
    await expect(open()).rejects.toMatchObject({ code: 'ERR_QUEUE_UNREACHABLE' })
    await zaqar.startZaqar()
  })
})
