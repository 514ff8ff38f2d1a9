import type { Credentials } from '../protocol/messages/credentials.ts'
import type { ClaimResult } from '../protocol/zaqar/claims.ts'
import type { NewMessage } from '../protocol/zaqar/split-into-posts.ts'
import type { ClaimRef } from '../protocol/zaqar/transport.ts'
import type { ZaqarClient } from '../protocol/zaqar/zaqar-client.ts'
import { type Connect, queueNamed } from './connect.ts'
import type { CredentialsKeeper } from './enrol/credentials-keeper.ts'

/** What an enrolled agent can do at its queues, and nothing more. Errors: those of the Zaqar client. */
export interface QueueAccess extends AsyncDisposable {
  claim: (
    options: { limit: number; ttlSeconds: number; waitSeconds: number },
    signal: AbortSignal,
  ) => Promise<ClaimResult>
  /** Hands claimed messages back at once. */
  release: (claim: ClaimRef, signal: AbortSignal) => Promise<void>
  /** Deletes messages of the command queue; those that are gone are no error. */
  acknowledge: (messageIds: readonly string[], signal: AbortSignal) => Promise<void>
  /** Posts on the return queue, in one request. */
  post: (messages: readonly NewMessage[], signal: AbortSignal) => Promise<void>
}

/** Goes to the queues with the credentials that are in use at that moment; a new endpoint gets new connections. */
export function createQueueAccess(keeper: CredentialsKeeper, connect: Connect): QueueAccess {
  let open: { endpoint: string; client: ZaqarClient } | undefined
  const clientFor = ({ endpoint }: Credentials): ZaqarClient => {
    if (open?.endpoint === endpoint) return open.client
    const { certificateAuthority } = keeper.enrolment()
    const old = open
    open = { endpoint, client: connect({ endpoint, certificateAuthority }) }
    old?.client.close().catch(() => undefined)
    return open.client
  }
  return {
    claim: async (options, signal) => {
      const credentials = keeper.credentials()
      const auth = { kind: 'signed', url: credentials.claim } as const
      const queue = queueNamed(credentials.claim)
      return await clientFor(credentials).claimMessages(queue, { ...options, auth, signal })
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
      await open?.client.close()
    },
  }
}
