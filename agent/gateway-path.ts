import type { Credentials } from '../protocol/messages/credentials.ts'
import type { World } from '../protocol/world.ts'
import { backoffDelayMs } from '../protocol/zaqar/retry.ts'
import type { ZaqarClient } from '../protocol/zaqar/zaqar-client.ts'
import { describeError, type Log } from './log.ts'

/** The way to the command queue through a gateway, where the credentials name one. */
export interface GatewayPath extends AsyncDisposable {
  /** Whom to claim through; undefined where there is no gateway, or it is to be gone around for now. */
  clientFor: (credentials: Credentials) => ZaqarClient | undefined
  /** A claim through it has worked. */
  noteSuccess: () => void
  /** Whatever the failure was: the queue service itself may do better, and tells refusals from outages. */
  noteFailure: (error: unknown) => void
}

interface Parts {
  connect: (endpoint: string) => ZaqarClient
  world: World
  log: Log
}

/**
 * - open: claims go through the gateway -> shut, when one fails.
 * - shut: claims go around it, and beside them the gateway is asked for a sign of life, ever more slowly -> open, when it
 *   gives one.
 */
type State = { name: 'open' } | { name: 'shut'; probeAtMs: number; isProbing: boolean }

const backoff = { baseMs: 2000, capMs: 60_000 }
/** Even the first probe leaves the gateway a moment. */
const shortestPauseMs = 500

/** Begins open, for whatever gateway the credentials name; another gateway is a new beginning. */
export function createGatewayPath({ connect, world, log }: Parts): GatewayPath {
  let present: { url: string; client: ZaqarClient } | undefined
  let state: State = { name: 'open' }
  let failures = 0

  const turnTo = (url: string | undefined) => {
    if (present?.url === url) return
    // What it was asked just now fails, and is asked again elsewhere.
    present?.client.close().catch(() => undefined)
    present = url === undefined ? undefined : { url, client: connect(url) }
    state = { name: 'open' }
    failures = 0
  }
  const shut = () => {
    failures += 1
    const delayMs = shortestPauseMs + backoffDelayMs(failures, world.random, backoff)
    state = { name: 'shut', probeAtMs: world.monotonicMs() + delayMs, isProbing: false }
  }
  const probe = async (client: ZaqarClient) => {
    try {
      await client.getVersions()
      if (present?.client !== client) return
      state = { name: 'open' }
      log.info({ gateway: present.url }, 'the gateway is back')
    } catch {
      if (present?.client === client) shut()
    }
  }

  return {
    clientFor: ({ gateway }) => {
      turnTo(gateway)
      if (present === undefined || state.name === 'open') return present?.client
      if (!state.isProbing && world.monotonicMs() >= state.probeAtMs) {
        state.isProbing = true
        void probe(present.client)
      }
      return undefined
    },
    noteSuccess: () => {
      failures = 0
    },
    noteFailure: (error) => {
      if (state.name === 'shut') return
      shut()
      log.warn({ gateway: present?.url, ...describeError(error) }, 'going around the gateway')
    },
    [Symbol.asyncDispose]: async () => {
      await present?.client.close()
    },
  }
}
