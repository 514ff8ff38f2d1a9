#!/usr/bin/env node
import { randomUUID } from 'node:crypto'
import { Agent } from 'undici'
import { nextPoll, spreadOut } from '../../agent/intake/poll-pace.ts'
import { realWorld } from '../../protocol/real-world.ts'
import type { Auth } from '../../protocol/zaqar/authorize.ts'
import { createZaqarClient, type ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import { openGateway } from '../../queue/gateway/open-gateway.ts'
import { startGateProxy } from '../system/gate-proxy.ts'
import { startZaqar } from '../zaqar/start-zaqar.ts'

// What idle agents ask of a real Zaqar, and how long a message waits for its claim, with and without the gateway: for the
// table in docs/deploying-on-zaqar.md. The agents here are the claim loop's pace and nothing else.

const agentCount = 200
const idleSeconds = 120
const postCount = 40
const ceilingMs = 15_000

const world = realWorld()
await using zaqar = await startZaqar({ keystone: false, websocket: false, workers: 2 })
await using between = await startGateProxy(zaqar.endpoint)
await using gateway = await openGateway({ upstream: between.url, port: 0, notifyPort: 0 }, world)
const operator = connect(zaqar.endpoint)

await measure('polling', between.url, false)
await measure('gateway', gateway.url, true)
await operator.close()

async function measure(name: string, endpoint: string, isSubscribed: boolean): Promise<void> {
  const queues = Array.from({ length: agentCount }, () => randomUUID())
  const expires = new Date(Date.now() + 3_600_000)
  const arrivals = new Map<string, number>()
  const stop = new AbortController()
  const client = connect(endpoint)
  const agents = await Promise.all(
    queues.map(async (queue) => {
      const grant = { paths: ['claims'], methods: ['POST'], expires } as const
      const url = await operator.shareQueue(queue, grant)
      if (isSubscribed) {
        await operator.createSubscription(queue, { subscriber: gateway.notifyUrl })
      }
      return async () => claimForEver(client, queue, { kind: 'signed', url }, arrivals, stop.signal)
    }),
  )
  const running = agents.map(async (claim) => claim().catch(() => undefined))
  // The beginning, in which everybody looks once, is not idle.
  await world.sleep(2 * ceilingMs)
  const before = between.passed.length
  await world.sleep(idleSeconds * 1000)
  const rate = (between.passed.length - before) / idleSeconds / agentCount

  const latenciesMs: number[] = []
  for (const queue of queues.slice(0, postCount)) {
    await operator.postMessages(queue, [{ body: 1, ttlSeconds: 300 }])
    const postedMs = performance.now()
    while (!arrivals.has(queue)) await world.sleep(1)
    latenciesMs.push((arrivals.get(queue) ?? 0) - postedMs)
  }
  stop.abort()
  await Promise.all(running)
  await client.close()
  latenciesMs.sort((a, b) => a - b)
  const at = (part: number) => Math.round(latenciesMs[Math.floor(part * (postCount - 1))] ?? 0)
  process.stdout.write(
    `${name}: ${rate.toFixed(4)} requests per second and idle agent; from the answer to a post until the claim is answered: ` +
      `median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(1)} ms\n`,
  )
}

async function claimForEver(
  client: ZaqarClient,
  queue: string,
  auth: Auth,
  arrivals: Map<string, number>,
  signal: AbortSignal,
): Promise<void> {
  let { pace, delayMs } = spreadOut({ ceilingMs, random: world.random() })
  for (;;) {
    await world.sleep(delayMs, signal)
    const askedMs = world.monotonicMs()
    const found = await client.claimMessages(queue, { waitSeconds: 30, auth, signal })
    if (found.messages.length > 0) arrivals.set(queue, performance.now())
    const tookMs = world.monotonicMs() - askedMs
    const outcome = { messages: found.messages.length, waited: found.waited, tookMs }
    const options = { ceilingMs, random: world.random() }
    const next = nextPoll(pace, { ...outcome, expectsMore: false }, options)
    pace = next.pace
    delayMs = next.delayMs
  }
}

function connect(endpoint: string): ZaqarClient {
  const dispatcher = new Agent({ pipelining: 0, headersTimeout: 0, bodyTimeout: 0 })
  const auth = { kind: 'none' } as const
  const options = { endpoint, clientId: randomUUID(), projectId: 'p1', auth, dispatcher }
  return createZaqarClient(options, world)
}
