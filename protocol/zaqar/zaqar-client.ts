import { Agent, type Dispatcher } from 'undici'
import { ConfigInvalidError } from '../errors.ts'
import type { World } from '../world.ts'
import type { Auth } from './authorize.ts'
import { type ClaimCalls, claimCalls } from './claims.ts'
import { type MessageCalls, messageCalls } from './messages.ts'
import { type QueueCalls, queueCalls } from './queues.ts'
import { type ServiceCalls, serviceCalls } from './service.ts'
import { defaultPostLimitBytes } from './split-into-posts.ts'
import { type SubscriptionCalls, subscriptionCalls } from './subscriptions.ts'
import { createTransport, type TransportSettings } from './transport.ts'

/** How a queue service is reached. */
export interface ZaqarClientOptions {
  /** http or https; may have a path, below which `/v2` lies. */
  endpoint: string | URL
  /** A UUID that names this client to Zaqar; it proves nothing. */
  clientId: string
  /** The Keystone project; a signed URL brings its own. */
  projectId: string
  /** How requests prove their right, unless a call says otherwise. */
  auth: Auth
  /** Brings proxies, certificates and limits of its own; it stays the caller's to close. Default: one made here.
   * For a server that closes after each answer without saying so (Zaqar under uwsgi), `new Agent({ pipelining: 0 })`. */
  dispatcher?: Dispatcher | undefined
  /** From sending a request to the last byte of its answer, in milliseconds; a long poll gets its wait on top. Default 30 000. */
  requestTimeoutMs?: number | undefined
  /** No answer may be larger, in bytes. Default 16 MiB; 20 claimed messages of Zaqar's limit are 5 MiB. */
  maxReplyBytes?: number | undefined
  /** No POST of messages is larger, in bytes. Default 262 144, as Zaqar's. */
  maxPostBytes?: number | undefined
  /** Called on each answer with the server's clock (`Date`), to whole seconds; with nothing where that is not told. */
  onServerTime?: ((serverTime: Date | undefined) => void) | undefined
}

/** A client of a Zaqar v2 queue service. It repeats at once, and once, what got a 401 or, if that
 * is safe, what a cut connection left unanswered; all else is the caller's to retry (`retry.ts`). */
export interface ZaqarClient
  extends QueueCalls,
    MessageCalls,
    ClaimCalls,
    ServiceCalls,
    SubscriptionCalls,
    AsyncDisposable {
  /** Cuts the requests under way and closes the connections, unless the dispatcher was brought along. */
  close: () => Promise<void>
}

/**
 * Makes a client; nothing is sent yet.
 *
 * @throws {ConfigInvalidError} the endpoint is no http(s) URL, or the Client-ID no UUID.
 */
export function createZaqarClient(options: ZaqarClientOptions, world: World): ZaqarClient {
  const endpoint = parseEndpoint(options.endpoint)
  const clientId = parseClientId(options.clientId)
  const ownDispatcher = options.dispatcher ? undefined : createDispatcher()
  const settings = {
    ...endpoint,
    clientId,
    projectId: options.projectId,
    auth: options.auth,
    dispatcher: options.dispatcher ?? ownDispatcher ?? createDispatcher(),
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    maxReplyBytes: options.maxReplyBytes ?? 16 * 1024 * 1024,
    onServerTime: options.onServerTime,
  } satisfies TransportSettings
  const send = createTransport(settings, world)
  const close = async () => {
    await ownDispatcher?.destroy()
  }
  return {
    ...queueCalls(send),
    ...messageCalls(send, { maxPostBytes: options.maxPostBytes ?? defaultPostLimitBytes }, world),
    ...claimCalls(send),
    ...serviceCalls(send),
    ...subscriptionCalls(send),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** A connection is kept warm between polls, as far as the server keeps it; a long poll does not block a reply. */
function createDispatcher(): Dispatcher {
  return new Agent({ keepAliveTimeout: 60_000, pipelining: 1, connections: 64 })
}

function parseEndpoint(endpoint: string | URL): { origin: string; prefix: string } {
  const url = URL.parse(String(endpoint))
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new ConfigInvalidError('endpoint: give the queue service as an http:// or https:// URL')
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new ConfigInvalidError(
      'endpoint: give host, port and path only, no user, query or fragment',
    )
  }
  return { origin: url.origin, prefix: url.pathname.replace(/\/+$/, '') }
}

function parseClientId(clientId: string): string {
  if (/^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i.test(clientId)) return clientId
  throw new ConfigInvalidError('clientId: give a UUID; Zaqar refuses every other text')
}
