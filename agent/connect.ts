import { createDispatcher } from '../protocol/network/create-dispatcher.ts'
import type { Network } from '../protocol/network/read-network.ts'
import type { World } from '../protocol/world.ts'
import { createZaqarClient, type ZaqarClient } from '../protocol/zaqar/zaqar-client.ts'
import type { ServerClock } from './clock/server-clock.ts'

/** Where a queue service answers, and whom to trust there. */
export interface Address {
  endpoint: string
  /** PEM certificates to trust besides the system's. */
  certificateAuthority?: string | undefined
}

export type Connect = (address: Address) => ZaqarClient

/**
 * Makes the one way in which this agent reaches a queue service. Connections stay warm: one is held by the long poll, so
 * that a reply never waits for it, nor makes a new handshake.
 */
export function createConnect(
  clientId: string,
  { settings, certificateAuthorities }: Network,
  clock: ServerClock,
  world: World,
): Connect {
  return ({ endpoint, certificateAuthority }) => {
    const dispatcher = createDispatcher(new URL(endpoint), {
      settings,
      certificateAuthorities: [
        ...certificateAuthorities,
        ...(certificateAuthority === undefined ? [] : [certificateAuthority]),
      ],
      // A claim that is held, the POSTs of the outbox, acknowledgements. One that is not needed is not opened.
      connections: 12,
    })
    const client = createZaqarClient(
      {
        endpoint,
        clientId,
        dispatcher,
        // Each signed URL brings its project; a request without one is a bug, and is refused.
        projectId: 'signed-urls-only',
        auth: { kind: 'none' },
        onServerTime: clock.learn,
      },
      world,
    )
    const close = async () => {
      await client.close()
      await dispatcher.destroy()
    }
    return { ...client, close, [Symbol.asyncDispose]: close }
  }
}

/** The name of the queue that a signed URL leads to. */
export function queueNamed(url: { paths: readonly string[] }): string {
  return /^\/v2\/queues\/([^/]+)\//.exec(url.paths[0] ?? '')?.[1] ?? ''
}
