import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import { Agent } from 'undici'
import { ConfigInvalidError } from '../protocol/errors.ts'
import type { World } from '../protocol/world.ts'
import type { Auth } from '../protocol/zaqar/authorize.ts'
import { createZaqarClient, type ZaqarClient } from '../protocol/zaqar/zaqar-client.ts'
import type { ControllerConfig } from './config.ts'
import type { Context } from './context.ts'
import { uuidV7 } from './ids.ts'
import { readSecretFile } from './read-secret-file.ts'

/** The queue service as the controller, and as its agents reach it. */
export interface QueueConnection extends AsyncDisposable {
  queue: ZaqarClient
  advertised: Context['advertised']
}

/**
 * Prepares the connection to the queue service; nothing is sent yet, so that it may come up later than we do.
 *
 * @param embedded where the embedded queue listens, and its token, when there is one.
 * @throws {ConfigInvalidError}
 */
export async function connectQueue(
  config: ControllerConfig,
  embedded: { url: string; token: string | undefined } | undefined,
  world: World,
): Promise<QueueConnection> {
  const url = embedded?.url ?? config.queue.url
  if (url === undefined) throw new ConfigInvalidError('`queue.url` is missing')
  const certificateAuthority = await readCertificates(config)
  const dispatcher = new Agent({
    keepAliveTimeout: 60_000,
    pipelining: 1,
    // No bound on connections: each cluster's return queue has a request waiting, and posts must not queue behind them.
    // How many posts there are at once is bounded by `limits.postsAtOnce`.
    ...(certificateAuthority === undefined
      ? {}
      : { connect: { ca: [...rootCertificates, certificateAuthority] } }),
  })
  const queue = createZaqarClient(
    {
      endpoint: url,
      clientId: uuidV7(world),
      projectId: config.queue.projectId,
      auth: await readAuth(config, embedded?.token),
      dispatcher,
    },
    world,
  )
  return {
    queue,
    advertised: { url: config.queue.advertisedUrl ?? url, certificateAuthority },
    [Symbol.asyncDispose]: async () => await dispatcher.destroy(),
  }
}

async function readAuth(
  config: ControllerConfig,
  embeddedToken: string | undefined,
): Promise<Auth> {
  const { auth, tokenFile } = config.queue
  if (auth === 'none') return { kind: 'none' }
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

async function readCertificates(config: ControllerConfig): Promise<string | undefined> {
  const { certificateAuthorityFile: path } = config.queue
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
