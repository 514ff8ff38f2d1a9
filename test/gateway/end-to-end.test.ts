import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askStatus } from '../../agent/status/ask-status.ts'
import type { Status } from '../../agent/status/status.ts'
import type { ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import type { Passing } from '../system/gate-proxy.ts'
import { startCluster, type TestCluster } from '../system/start-cluster.ts'
import { waitFor } from '../system/wait-for.ts'
import { hireKeeper } from '../zaqar/hire-keeper.ts'
import { missingZaqarPackages } from '../zaqar/missing-packages.ts'
import { type RealZaqar, startZaqar } from '../zaqar/start-zaqar.ts'
import { zaqarUnderTest } from '../zaqar/zaqar-under-test.ts'
import { startGateway, type TestGateway, withGateway } from './start-gateway.ts'

const missing = missingZaqarPackages()
const needed = missing.length > 0 ? ` (skipped: apt-get install ${missing.join(' ')})` : ''
/** Longer than any wait in here: what comes sooner has not been found by looking again. */
const lookAgainSeconds = 600
/** So long that an agent which polls would be noticed. */
const ceilingSeconds = 5

describe.skipIf(missing.length > 0)(
  `an agent behind the gateway, on the real Zaqar${needed}`,
  () => {
    let zaqar: RealZaqar
    let gateway: TestGateway
    let cluster: TestCluster
    let keeper: ZaqarClient

    beforeAll(async () => {
      zaqar = await startZaqar({ workers: 2 })
      keeper = await hireKeeper(zaqar)
      gateway = await startGateway(zaqar.endpoint, { lookAgainSeconds })
      const openQueue = withGateway(
        zaqarUnderTest(() => zaqar),
        () => gateway,
      )
      cluster = await startCluster({ openQueue, agent: { poll: { ceilingSeconds } } })
    }, 120_000)
    afterAll(async () => {
      await cluster?.[Symbol.asyncDispose]()
      await gateway?.[Symbol.asyncDispose]()
      await keeper?.[Symbol.asyncDispose]()
      await zaqar?.[Symbol.asyncDispose]()
    })

    async function status(): Promise<Status> {
      return await askStatus(join(cluster.guest.stateDirectory, 'agent.sock'))
    }
    async function untilClaimsVia(way: 'gateway' | 'queue'): Promise<void> {
      await waitFor(`claims via the ${way}`, async () => (await status()).claimsVia === way)
    }
    /** Runs a command, and says how long its answer took, in milliseconds. */
    async function run(): Promise<number> {
      const beganMs = performance.now()
      const operation = { name: 'exec' as const, argv: ['true'] }
      const target = { cluster: 'test', instance: 'worker-1' }
      const { value } = await cluster.api.postCommand(target, { operation })
      const id = value[0]?.id ?? ''
      for (;;) {
        const { value: command } = await cluster.api.getCommand(id, { wait: true })
        if (!command.ended) continue
        expect(command.state).toBe('succeeded')
        return performance.now() - beganMs
      }
    }
    const commandQueue = () =>
      /queues\/([^/]+)\/claims/.exec(claimsOf(gateway.upstream.passed)[0]?.path ?? '')?.[1] ?? ''

    test('gets its commands when Zaqar announces them, and polls Zaqar no more', async () => {
      await run()
      await untilClaimsVia('gateway')
      for (let count = 0; count < 3; count += 1) await run()
      expect(claimsOf(cluster.agentGate.passed)).toEqual([])
      const before = gateway.upstream.passed.length
      expect(await run()).toBeLessThan(5000)
      expect(gateway.upstream.passed.length - before).toBeLessThan(12)
      expect(await status()).toMatchObject({ claimsVia: 'gateway', gateway: gateway.url })
    })

    test('goes around the gateway when that is killed, and comes back to it', async () => {
      await gateway.kill()
      await run()
      await untilClaimsVia('queue')
      await run()
      expect(claimsOf(cluster.agentGate.passed)).not.toEqual([])
      await gateway.start()
      await untilClaimsVia('gateway')
      await run()
    })

    test('goes around the gateway when that answers with nonsense', async () => {
      gateway.upstream.setGate({ before: async () => 'drop' })
      await run()
      await untilClaimsVia('queue')
      gateway.upstream.setGate({})
      await untilClaimsVia('gateway')
    })

    test('gets its commands without a subscription too, when somebody looks again', async () => {
      const queue = commandQueue()
      const [subscription] = await Array.fromAsync(keeper.listSubscriptions(queue))
      expect(subscription).toMatchObject({ subscriber: gateway.notifyUrl, ttlSeconds: 3600 })
      await keeper.deleteSubscription(queue, subscription?.id ?? '')
      await cluster.restartController()
      expect(await Array.fromAsync(keeper.listSubscriptions(queue))).toEqual([])
      // What is announced to nobody is found by looking again, here when the gateway has forgotten that it has looked.
      const running = run()
      await gateway.kill()
      await gateway.start()
      await running
    })

    test('has no subscription left when it is forgotten', async () => {
      const queue = commandQueue()
      await keeper.createSubscription(queue, { subscriber: gateway.notifyUrl })
      await cluster.api.forgetInstance({ cluster: 'test', instance: 'worker-1' })
      await waitFor('the subscription to go', async () => {
        return (await Array.fromAsync(keeper.listSubscriptions(queue))).length === 0
      })
    })
  },
)

function claimsOf(passed: readonly Passing[]): Passing[] {
  return passed.filter(({ method, path }) => method === 'POST' && path.includes('/claims'))
}
