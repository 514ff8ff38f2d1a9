import type { Credentials } from '../../protocol/messages/credentials.ts'
import type { ShareGrant } from '../../protocol/zaqar/service.ts'
import type { Context } from '../context.ts'
import type { Cluster } from '../store/clusters.ts'
import type { Instance } from '../store/instances.ts'

/** Credentials, and what there is to know about their life. */
export interface Minted {
  credentials: Credentials
  expireAt: Date
  renewAt: Date
}

/**
 * Has the queue service sign one URL for each right of an instance: in one signed URL every method applies to every
 * path, so that rights are never put together.
 *
 * @throws {ZaqarError}
 */
export async function mintCredentials(
  { advertised, config, queue, world }: Context,
  cluster: Pick<Cluster, 'returnQueue' | 'lobbyQueue'>,
  instance: Pick<Instance, 'commandQueue'>,
  signal: AbortSignal,
): Promise<Minted> {
  const { gateway } = config.queue
  const lifeMs = config.signedUrlLifeSeconds * 1000
  const now = world.now().getTime()
  const expires = new Date(now + lifeMs)
  const { commandQueue } = instance
  const { lobbyQueue, returnQueue } = cluster
  const share = async (name: string, path: Path, ...methods: Method[]) =>
    await queue.shareQueue(name, { paths: [path], methods, expires }, { signal })
  const [claim, acknowledge, reply, lobby] = await Promise.all([
    share(commandQueue, 'claims', 'POST', 'PATCH', 'DELETE'),
    share(commandQueue, 'messages', 'DELETE'),
    share(returnQueue, 'messages', 'POST'),
    share(lobbyQueue, 'messages', 'GET'),
  ])
  return {
    credentials: {
      endpoint: advertised.url,
      claim,
      acknowledge,
      reply,
      lobby,
      ...(gateway === undefined ? {} : { gateway: gateway.url }),
    },
    expireAt: expires,
    renewAt: new Date(now + lifeMs / 2),
  }
}

type Path = ShareGrant['paths'][number]
type Method = ShareGrant['methods'][number]
