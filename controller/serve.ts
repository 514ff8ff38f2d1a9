import { type Logger, pino } from 'pino'
import type { Cloud } from '../protocol/keystone/cloud.ts'
import type { World } from '../protocol/world.ts'
import { createPostLimit } from '../protocol/zaqar/post-limit.ts'
import { serveApi } from './api/serve-api.ts'
import { askQueue, type QueueProblem } from './ask-queue.ts'
import { createClusterKeyring } from './cluster-keyring.ts'
import { startQueueRetirement } from './clusters/retire-queues.ts'
import type { ControllerConfig } from './config.ts'
import { connectQueue } from './connect-queue.ts'
import { openContentStore } from './contents/content-store.ts'
import type { Context } from './context.ts'
import { createDueBell } from './deadlines/due-bell.ts'
import { startDeadlines } from './deadlines/start-deadlines.ts'
import { startDepartures } from './dispatch/departures.ts'
import { openEmbeddedQueue } from './embedded-queue.ts'
import { answerHello } from './enrolment/answer-hello.ts'
import { createAnsweredHellos } from './enrolment/answered-hellos.ts'
import { openReception } from './enrolment/reception.ts'
import { createRefusalBudget } from './enrolment/refusal-budget.ts'
import { startRenewals } from './enrolment/renew-credentials.ts'
import { createControllerMetrics } from './metrics/controller-metrics.ts'
import { measureQueue } from './metrics/measure-queue.ts'
import { startAnnouncer } from './replies/announcer.ts'
import { startCollectors } from './replies/collectors.ts'
import { startSettlements } from './replies/settlements.ts'
import { lockState } from './state-lock.ts'
import { listClusters } from './store/clusters.ts'
import { openStore } from './store/open-store.ts'
import { startRetention } from './store/start-retention.ts'
import { startSubscriptionRenewals } from './subscriptions/start-subscription-renewals.ts'
import { createWakeups } from './wakeups.ts'

/** A controller that serves. Disposing of it ends what waits, and leaves everything else to the next start. */
export interface Controller extends AsyncDisposable {
  /** The API's Unix socket. */
  socketPath: string
  /** The API over TCP, when it is configured. */
  apiUrl: string | null
  /** The queue service that agents are told of. */
  queueUrl: string
  /** Whether the queue service lets us in; null when it does. Never rejects. */
  askQueue: (signal: AbortSignal) => Promise<QueueProblem | null>
}

/**
 * Opens the parts in the order of their lives; they are closed in the reverse one.
 *
 * @param cloud who we are to Keystone, with `queue.auth: keystone`.
 * @param lock on the state directory, where it was taken before (`awaitState`); it is given back in the end.
 * @param env may name proxies.
 * @throws {ConfigInvalidError} a file that the configuration names cannot be used.
 * @throws {StateLockedError | StoreUnusableError} the state directory cannot be used.
 * @throws {KeystoneError} the queue service is to be found by Keystone, and cannot.
 * @throws {CannotListenError} the API or the embedded queue has no address.
 */
export async function openController(
  config: ControllerConfig,
  world: World,
  log: Logger = pino({ level: 'silent' }),
  cloud?: Cloud,
  lock?: Disposable,
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<Controller> {
  await using parts = new AsyncDisposableStack()
  parts.use(lock ?? (await lockState(config.stateDirectory)))
  const store = parts.use(await openStore(config.stateDirectory, world))
  const embedded = parts.use(await openEmbeddedQueue(config, world, log))
  const connection = parts.use(await connectQueue(config, { embedded, cloud, env }, world, log))
  const { advertised } = connection
  const metrics = createControllerMetrics(store)
  const queue = measureQueue(connection.queue, metrics, world)
  const keyring = createClusterKeyring(store)
  const [wakeups, dueBell] = [createWakeups(), createDueBell()]
  const context: Context = {
    config,
    world,
    store,
    queue,
    postLimit: createPostLimit(world),
    advertised,
    keyring,
    wakeups,
    dueBell,
    metrics,
    log,
  }

  const contents = await openContentStore(context)
  parts.use(startRetention(context, contents))
  const departures = parts.use(await startDepartures(context, contents))
  parts.use(startDeadlines(context, departures))
  const renewals = parts.use(startRenewals(context, departures))
  const retirement = parts.use(startQueueRetirement(context))
  const settlements = parts.use(startSettlements(context))
  const subscriptions = parts.use(await startSubscriptionRenewals(context))
  const onWelcomed = (renewAt: Date) => {
    renewals.set(renewAt)
    subscriptions.set(world.now())
  }
  const memory = { answered: createAnsweredHellos(), refusals: createRefusalBudget(world) }
  const answer: Parameters<typeof openReception>[1] = async (cluster, hello, signal) =>
    await answerHello(context, { departures, memory }, cluster, hello, signal)
  const reception = parts.use(openReception(log, answer, onWelcomed))
  const arrivals = { answerHello: reception.receive, settleLarge: settlements.add }
  const announcer = parts.use(startAnnouncer(context, connection.announcements))
  const collectors = parts.use(startCollectors(context, arrivals, announcer, listClusters(store)))

  const retireSoon = () => retirement.set(world.now())
  const api = parts.use(await serveApi({ context, contents, departures, collectors, retireSoon }))
  log.info({ socket: api.socketPath, api: api.url, queue: advertised.url }, 'the controller serves')
  const opened = parts.move()
  return {
    socketPath: api.socketPath,
    apiUrl: api.url,
    queueUrl: advertised.url,
    askQueue: async (signal) => await askQueue(context, signal),
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  }
}
