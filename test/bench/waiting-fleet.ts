import { randomInt, randomUUID } from 'node:crypto'
import type { World } from '../../protocol/world.ts'
import type { Auth } from '../../protocol/zaqar/authorize.ts'
import type { ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'

/** Agents that do nothing but wait for a message, each at a queue of its own. */
export interface Fleet extends AsyncDisposable {
  agents: WaitingAgent[]
  /** Adds agents until there are so many, and lets them come to wait. */
  growTo: (count: number) => Promise<void>
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
const waitSeconds = 30
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
    running.push(waitForEver(client, queue, auth, { arrived, world, stop: stop.signal }))
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
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.allSettled(running)
    },
  }
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
  world: World
  stop: AbortSignal
}

async function waitForEver(
  client: ZaqarClient,
  queue: string,
  auth: Auth,
  { arrived, world, stop }: Waiting,
): Promise<void> {
  // The first wait is any part of a whole one, so that they do not all come back in one moment.
  let options = { auth, signal: stop, waitSeconds: randomInt(1, waitSeconds + 1) }
  while (!stop.aborted) {
    const { messages } = await client.claimMessages(queue, options)
    if (messages.length > 0)
      arrived({ atMs: world.monotonicMs(), ids: messages.map(({ id }) => id) })
    options = { ...options, waitSeconds }
  }
}
