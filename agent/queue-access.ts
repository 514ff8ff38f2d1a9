import type { Credentials } from '../protocol/messages/credentials.ts'
import type { World } from '../protocol/world.ts'
import type { ClaimResult } from '../protocol/zaqar/claims.ts'
import type { NewMessage } from '../protocol/zaqar/split-into-posts.ts'
import type { ClaimRef } from '../protocol/zaqar/transport.ts'
import type { ZaqarClient } from '../protocol/zaqar/zaqar-client.ts'
import { createAdaptiveWait } from './adaptive-wait.ts'
import { type Connect, queueNamed } from './connect.ts'
import type { CredentialsKeeper } from './enrol/credentials-keeper.ts'
import { createGatewayPath } from './gateway-path.ts'
import type { Log } from './log.ts'

interface Parts {
  connect: Connect
  /** No claim is to be held longer, in seconds. */
  longestWaitSeconds: number
  world: World
  log: Log
}

/** What a claim brought, and which way it went. `nobody` was asked when the gateway has just failed. */
export type ClaimOutcome = ClaimResult & { via: 'queue' | 'gateway' | 'nobody' }

/** What an enrolled agent can do at its queues, and nothing more. Errors: those of the Zaqar client. */
export interface QueueAccess extends AsyncDisposable {
  claim: (
    options: { limit: number; ttlSeconds: number; onHead?: () => void },
    signal: AbortSignal,
  ) => Promise<ClaimOutcome>
  /** Which way the present claim goes, or the last one went; undefined before the first. */
  claimsVia: () => 'queue' | 'gateway' | undefined
  /** Hands claimed messages back at once. */
  release: (claim: ClaimRef, signal: AbortSignal) => Promise<void>
  /** Deletes messages of the command queue; those that are gone are no error. */
  acknowledge: (messageIds: readonly string[], signal: AbortSignal) => Promise<void>
  /** Posts on the return queue, in one request. */
  post: (messages: readonly NewMessage[], signal: AbortSignal) => Promise<void>
}

/**
 * Goes to the queues with the credentials that are in use at that moment; a new endpoint gets new connections. Claims go
 * through the gateway where there is one that answers; all else goes to the queue service itself.
 */
export function createQueueAccess(
  keeper: CredentialsKeeper,
  { connect, longestWaitSeconds, world, log }: Parts,
): QueueAccess {
  let open: { endpoint: string; client: ZaqarClient } | undefined
  const connectTo = (endpoint: string) => {
    const { certificateAuthority } = keeper.enrolment()
    return connect({ endpoint, certificateAuthority })
  }
  const clientFor = ({ endpoint }: Credentials): ZaqarClient => {
    if (open?.endpoint === endpoint) return open.client
    const old = open
    open = { endpoint, client: connectTo(endpoint) }
    old?.client.close().catch(() => undefined)
    return open.client
  }
  const gateway = createGatewayPath({ connect: connectTo, world, log })
  // They lie on paths of their own.
  const queueWait = createAdaptiveWait(longestWaitSeconds, world)
  const gatewayWait = createAdaptiveWait(longestWaitSeconds, world)
  let via: 'queue' | 'gateway' | undefined
  return {
    claimsVia: () => via,
    claim: async (options, signal) => {
      const credentials = keeper.credentials()
      const auth = { kind: 'signed', url: credentials.claim } as const
      const queue = queueNamed(credentials.claim)
      const askOf = (client: ZaqarClient) => async (waitSeconds: number) =>
        await client.claimMessages(queue, { ...options, auth, signal, waitSeconds })
      const { endpoint, gateway: gatewayUrl = endpoint } = credentials
      const through = gateway.clientFor(credentials)
      via = through === undefined ? 'queue' : 'gateway'
      if (through === undefined) {
        const found = await queueWait.claim(endpoint, askOf(clientFor(credentials)))
        return { ...found, via: 'queue' }
      }
      try {
        const found = await gatewayWait.claim(gatewayUrl, askOf(through))
        gateway.noteSuccess()
        return { ...found, via: 'gateway' }
      } catch (error) {
        signal.throwIfAborted()
        gateway.noteFailure(error)
        return nobodyAsked
      }
    },
    release: async (claim, signal) => {
      const credentials = keeper.credentials()
      const auth = { kind: 'signed', url: credentials.claim } as const
      await clientFor(credentials).releaseClaim(queueNamed(credentials.claim), claim, {
        auth,
        signal,
      })
    },
    acknowledge: async (messageIds, signal) => {
      const credentials = keeper.credentials()
      const auth = { kind: 'signed', url: credentials.acknowledge } as const
      const queue = queueNamed(credentials.acknowledge)
      await clientFor(credentials).deleteMessages(queue, messageIds, { auth, signal })
    },
    post: async (messages, signal) => {
      const credentials = keeper.credentials()
      const auth = { kind: 'signed', url: credentials.reply } as const
      await clientFor(credentials).postMessages(queueNamed(credentials.reply), messages, {
        auth,
        signal,
      })
    },
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]()
      await open?.client.close()
    },
  }
}

const nobodyAsked: ClaimOutcome = {
  claimId: undefined,
  messages: [],
  waited: false,
  serverTime: undefined,
  via: 'nobody',
}
