import type { z } from 'zod'
import { ConfigInvalidError } from '../../protocol/errors.ts'
import { describeWrongKeys, inPlainWords } from '../../protocol/plain-words.ts'
import type { World } from '../../protocol/world.ts'
import { listen } from '../http/listen.ts'
import { stopServer } from '../http/stop-server.ts'
import { type QueueServiceLog, silentLog } from '../queue-service-log.ts'
import { answerAgent } from './answer-agent.ts'
import { answerNotification } from './answer-notification.ts'
import { GatewayOptions } from './gateway-options.ts'
import { KnownQueues } from './known-queues.ts'
import { openUpstream } from './upstream.ts'
import { WaitingAgents } from './waiting-agents.ts'

/** A gateway that is up. Disposing of it answers those who wait, and finishes what runs. */
export interface Gateway extends AsyncDisposable {
  /** For agents. */
  url: string
  /** For notifications. */
  notifyUrl: string
}

/** Zaqar has ten threads for notifications, and uses a connection for each. */
const notifyConnections = 256

/**
 * Opens the long-poll that stock Zaqar does not have: it stands in front of Zaqar, holds the agents' claims, and forwards
 * them, with the agents' own signed headers, when Zaqar announces a message. It has no key, no right of its own, and nothing
 * on disk; without it agents go to Zaqar themselves.
 *
 * @throws {ConfigInvalidError} an option does not fit.
 * @throws {PortTakenError | CannotListenError}
 */
export async function openGateway(
  given: z.input<typeof GatewayOptions>,
  world: World,
  log: QueueServiceLog = silentLog,
): Promise<Gateway> {
  const options = parseOptions(given)
  await using stack = new AsyncDisposableStack()
  const upstream = stack.use(openUpstream(options, log))
  const agents = stack.use(new WaitingAgents(world, options.maxWaiting))
  const lookAgainMs = options.lookAgainSeconds * 1000
  const known = new KnownQueues(world, { lookAgainMs, limit: Math.max(1, options.maxWaiting) })
  const { maxWaitSeconds, maxConnections, stopSeconds } = options
  const answerWaiting = () => agents[Symbol.dispose]()

  const notifyAddress = { host: options.notifyHost, port: options.notifyPort }
  const notifications = await listen(
    { ...notifyAddress, limits: { maxConnections: notifyConnections } },
    (request, response) => {
      void answerNotification({ agents, known, upstream, log }, request, response)
    },
  )
  stack.defer(() => stopServer(notifications.server, () => {}, 0, world))
  const parts = { agents, known, upstream, maxWaitSeconds, world, log }
  const served = await listen({ ...options, limits: { maxConnections } }, (request, response) => {
    void answerAgent(parts, request, response)
  })
  stack.defer(() => stopServer(served.server, answerWaiting, stopSeconds, world))
  const life = stack.move()
  return {
    url: served.url,
    notifyUrl: notifications.url,
    [Symbol.asyncDispose]: async () => await life.disposeAsync(),
  }
}

function parseOptions(given: z.input<typeof GatewayOptions>): GatewayOptions {
  const parsed = GatewayOptions.safeParse(given, { error: inPlainWords })
  if (parsed.success) return parsed.data
  throw new ConfigInvalidError(
    `the options of the gateway are not valid: ${describeWrongKeys(parsed.error)}`,
  )
}
