import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { type AdaptiveWait, createAdaptiveWait } from '../../agent/adaptive-wait.ts'
import type { World } from '../../protocol/world.ts'
import type { Auth } from '../../protocol/zaqar/authorize.ts'
import type { ClaimResult } from '../../protocol/zaqar/claims.ts'
import type { ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'

/** Agents that do nothing but wait for a message, each at a queue of its own. */
export interface Fleet extends AsyncDisposable {
  agents: WaitingAgent[]
  /** Adds agents until there are so many, and lets them come to wait. */
  growTo: (count: number) => Promise<void>
  /** From now on each of them sends a heartbeat a minute, which a controller takes in, until that is disposed of. */
  beat: () => AsyncDisposable
}

export interface WaitingAgent {
  queue: string
  /** The next messages that it claims, and when it had them, by the monotonic clock. */
  nextArrival: () => Promise<Arrival>
}

export interface Arrival {
  atMs: number
  ids: string[]
}

/** As `PollOptions` of the agent has it by default. */
const longestWaitSeconds = 300
/** After so many waits that were answered in order an agent asks for the longest. */
const settlingWaits = 8
/** An agent sends its heartbeats 54 to 60 seconds apart. */
const heartbeatMs = 57_000
/** About as large as a sealed heartbeat. */
const heartbeat = randomBytes(600).toString('base64')
/** Agents that are made at the same time. */
const makersAtOnce = 16
/** After the last one has asked: for its request to be accepted and held, however many others there are. */
const settleMs = 1500

/** @param connect makes a client that may administer the queues, and is an agent's own. */
export function startFleet(connect: () => ZaqarClient, world: World): Fleet {
  const stop = new AbortController()
  const agents: WaitingAgent[] = []
  const running: Promise<void>[] = []
  const addOne = async () => {
    const queue = randomUUID()
    const client = connect()
    const expires = new Date(world.now().getTime() + 3_600_000)
    const grant = { paths: ['claims'], methods: ['POST'], expires } as const
    const auth: Auth = { kind: 'signed', url: await client.shareQueue(queue, grant) }
    const { agent, arrived } = createAgent(queue)
    agents.push(agent)
    const wait = await settledWait(world)
    running.push(waitForEver(client, queue, auth, { arrived, wait, world, stop: stop.signal }))
  }
  return {
    agents,
    growTo: async (count) => {
      let missing = count - agents.length
      const make = async () => {
        while (missing > 0) {
          missing -= 1
          await addOne()
        }
      }
      await Promise.all(Array.from({ length: makersAtOnce }, make))
      await world.sleep(settleMs)
    },
    beat: () => {
      const over = new AbortController()
      const queue = randomUUID()
      const loops = [
        beatForEver(connect(), queue, () => agents.length, world, over.signal),
        takeForEver(connect(), queue, over.signal),
      ]
      return {
        [Symbol.asyncDispose]: async () => {
          over.abort()
          await Promise.allSettled(loops)
        },
      }
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.allSettled(running)
    },
  }
}

const nothing: ClaimResult = {
  claimId: undefined,
  messages: [],
  waited: true,
  serverTime: undefined,
}

/** The wait of an agent that has been idle for half an hour. */
async function settledWait(world: World): Promise<AdaptiveWait> {
  let passedMs = 0
  const monotonicMs = () => world.monotonicMs() + passedMs
  const wait = createAdaptiveWait(longestWaitSeconds, { monotonicMs, random: world.random })
  const answerInOrder = async (waitSeconds: number) => {
    passedMs += waitSeconds * 1000
    return nothing
  }
  for (let count = 0; count < settlingWaits; count += 1) await wait.claim('', answerInOrder)
  return wait
}

function createAgent(queue: string) {
  let next = Promise.withResolvers<Arrival>()
  const arrived = (arrival: Arrival) => {
    next.resolve(arrival)
    next = Promise.withResolvers<Arrival>()
  }
  return { agent: { queue, nextArrival: async () => await next.promise }, arrived }
}

interface Waiting {
  arrived: (arrival: Arrival) => void
  wait: AdaptiveWait
  world: World
  stop: AbortSignal
}

async function waitForEver(
  client: ZaqarClient,
  queue: string,
  auth: Auth,
  { arrived, wait, world, stop }: Waiting,
): Promise<void> {
  let isFirst = true
  const ask = async (waitSeconds: number) => {
    // The first wait is any part of a whole one, so that they do not all come back in one moment.
    const seconds = isFirst ? randomInt(1, waitSeconds + 1) : waitSeconds
    isFirst = false
    return await client.claimMessages(queue, { auth, signal: stop, waitSeconds: seconds })
  }
  while (!stop.aborted) {
    const { messages } = await wait.claim('', ask)
    if (messages.length > 0)
      arrived({ atMs: world.monotonicMs(), ids: messages.map(({ id }) => id) })
  }
}

async function beatForEver(
  client: ZaqarClient,
  queue: string,
  agentCount: () => number,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    void client
      .postMessages(queue, [{ body: heartbeat, ttlSeconds: 180 }], { signal })
      .catch(() => undefined)
    await world.sleep((heartbeatMs / agentCount()) * 2 * world.random(), signal)
  }
}

/** As the controller does it for a cluster: one claim after the other, each deleted as a whole. */
async function takeForEver(client: ZaqarClient, queue: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const claim = { limit: 20, waitSeconds: 30, signal }
    const { messages } = await client.claimMessages(queue, claim)
    const ids = messages.map(({ id }) => id)
    if (ids.length > 0) await client.deleteMessages(queue, ids, { signal })
  }
}
