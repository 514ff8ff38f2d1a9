import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { ConfigInvalidError } from '../protocol/errors.ts'
import type { Cloud } from '../protocol/keystone/cloud.ts'
import { type KeystoneSession, openKeystoneSession } from '../protocol/keystone/keystone-session.ts'
import { createDispatcher, withSystemAuthorities } from '../protocol/network/create-dispatcher.ts'
import { resolveNetwork } from '../protocol/network/network-options.ts'
import type { World } from '../protocol/world.ts'
import type { Auth } from '../protocol/zaqar/authorize.ts'
import { retry } from '../protocol/zaqar/retry.ts'
import { createZaqarClient, type ZaqarClient } from '../protocol/zaqar/zaqar-client.ts'
import type { ControllerConfig } from './config.ts'
import type { Context } from './context.ts'
import { uuidV7 } from './ids.ts'
import { readSecretFile } from './read-secret-file.ts'
import { type OpenAnnouncements, openAnnouncements } from './replies/open-announcements.ts'

/** The queue service as the controller, and as its agents reach it. */
export interface QueueConnection extends AsyncDisposable {
  queue: ZaqarClient
  advertised: Context['advertised']
  /** How to hear of replies; absent where the service has nothing for it, or needs nothing. */
  announcements: OpenAnnouncements | undefined
}

/** Where the queue service may be, and how we may get in. */
export interface QueueAccess {
  /** Where the embedded queue listens, and its token, when there is one. */
  embedded: { url: string; token: string | undefined } | undefined
  /** Who we are to Keystone, with `auth: keystone`. */
  cloud: Cloud | undefined
  /** The environment, which may name proxies. WebSockets are reached directly. */
  env?: Readonly<Record<string, string | undefined>> | undefined
}

/**
 * Prepares the connection to the queue service. With Keystone a token is fetched, for the catalogue and the project; else
 * nothing is sent yet, so that the service may come up later than we do.
 *
 * @throws {ConfigInvalidError}
 * @throws {KeystoneError} it names the step that failed; an outage is waited for a while first.
 */
export async function connectQueue(
  config: ControllerConfig,
  { embedded, cloud, env = {} }: QueueAccess,
  world: World,
  log: Logger,
): Promise<QueueConnection> {
  await using opened = new AsyncDisposableStack()
  const network = resolveNetwork(config.network, env)
  const session = cloud && opened.use(await openKeystoneSession(cloud, world, { network }))
  const place = session
    ? await findInCatalogue(config, session, world, log)
    : { url: embedded?.url ?? config.queue.url, projectId: config.queue.projectId }
  const { url, projectId } = place
  if (url === undefined) throw new ConfigInvalidError('`queue.url` is missing')
  const certificateAuthority = await readCertificates(
    config.queue.certificateAuthorityFile ?? cloud?.certificateAuthorityFile,
  )
  const trusted =
    certificateAuthority === undefined ? undefined : withSystemAuthorities([certificateAuthority])
  const dispatcher = createDispatcher(new URL(url), {
    settings: network,
    certificateAuthorities: certificateAuthority === undefined ? [] : [certificateAuthority],
    // No bound: each cluster's return queue has a request waiting, and posts must not queue behind them. How many posts
    // there are at once is bounded by `limits.postsAtOnce`.
    connections: null,
  })
  opened.defer(async () => await dispatcher.destroy())
  const clientId = uuidV7(world)
  const auth = await readAuth(config, session, embedded?.token)
  const queue = createZaqarClient({ endpoint: url, clientId, projectId, auth, dispatcher }, world)
  const { websocketUrl, advertisedUrl } = config.queue
  const life = opened.move()
  return {
    queue,
    advertised: { url: advertisedUrl ?? place.publicUrl ?? url, certificateAuthority },
    announcements:
      session && openAnnouncements({ session, projectId, clientId, websocketUrl, trusted }, world),
    [Symbol.asyncDispose]: async () => await life.disposeAsync(),
  }
}

/** How often Keystone is asked at the start before we give up, which leaves it to the service manager to start us again. */
const startRetries = 8

interface QueuePlace {
  url: string | undefined
  projectId: string
  /** What guests can reach, where that is known. */
  publicUrl?: string | undefined
}

async function findInCatalogue(
  { queue }: ControllerConfig,
  session: KeystoneSession,
  world: World,
  log: Logger,
): Promise<QueuePlace> {
  const onRetry = ({ error }: { error: Error }) =>
    log.warn({ err: error }, 'Keystone cannot be reached yet')
  return await retry(
    async () => {
      const projectId = await session.getProjectId()
      if (queue.url !== undefined) return { url: queue.url, projectId }
      const url = await session.findEndpoint('messaging')
      if (queue.advertisedUrl !== undefined) return { url, projectId }
      const publicUrl = await session.findEndpoint('messaging', { interface: 'public' })
      return { url, projectId, publicUrl }
    },
    { retries: startRetries, capMs: 15_000, onRetry },
    world,
  )
}

async function readAuth(
  config: ControllerConfig,
  session: KeystoneSession | undefined,
  embeddedToken: string | undefined,
): Promise<Auth> {
  const { auth, tokenFile } = config.queue
  if (session) return { kind: 'token', getToken: session.getToken }
  if (auth === 'none') return { kind: 'none' }
  if (auth === 'keystone') throw new ConfigInvalidError('`queue.auth: keystone` needs a cloud')
  if (embeddedToken !== undefined) return { kind: 'token', getToken: async () => embeddedToken }
  if (tokenFile === undefined) throw new ConfigInvalidError('`queue.tokenFile` is missing')
  let token = await readSecretFile('queue.tokenFile', tokenFile, 1)
  return {
    kind: 'token',
    getToken: async (refused) => {
      // Whoever renews the token writes it into the file.
      if (refused !== undefined) token = await readSecretFile('queue.tokenFile', tokenFile, 1)
      return token
    },
  }
}

async function readCertificates(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigInvalidError(`\`queue.certificateAuthorityFile\` cannot be read: ${why}`, {
      cause,
    })
  }
}
