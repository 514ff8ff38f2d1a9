import { afterAll, beforeAll, describe } from 'vitest'
import type { ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import { describeClaims } from './claims.ts'
import { type Contract, type ContractServer, connect } from './contract-server.ts'
import { describeDelivery } from './delivery.ts'
import { describeLimits } from './limits.ts'
import { describeMessages } from './messages.ts'
import { describeQueues } from './queues.ts'
import { describeSignedUrls } from './signed-urls.ts'
import { describeSubscriptions } from './subscriptions.ts'

/** A real Zaqar with Keystone needs its time to start. */
const startWithinMs = 120_000

/** What a server has beyond that which every one must have. */
export interface Offers {
  /** The embedded queue has none: it holds requests open instead, and nobody needs to be told. */
  hasSubscriptions: boolean
}

/**
 * States what we rely on in a queue service, whichever it is, and holds a server against it. What stock
 * Zaqar gets wrong, and nothing of ours relies on, is not in here.
 */
export function describeContract(
  name: string,
  startServer: () => Promise<ContractServer>,
  { hasSubscriptions }: Offers,
): void {
  describe(name, () => {
    let server: ContractServer
    let client: ZaqarClient
    beforeAll(async () => {
      server = await startServer()
      client = connect(server)
      await client.ping()
    }, startWithinMs)
    afterAll(async () => {
      await client?.close()
      await server?.[Symbol.asyncDispose]()
    })

    const contract: Contract = { server: () => server, client: () => client }
    describeQueues(contract)
    describeMessages(contract)
    describeClaims(contract)
    describeDelivery(contract)
    describeSignedUrls(contract)
    describeLimits(contract)
    if (hasSubscriptions) describeSubscriptions(contract)
  })
}
