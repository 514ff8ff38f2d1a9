import { renderUserData } from '../../cloud-init/render-user-data.ts'
import type { Bootstrap } from '../../protocol/messages/enrolment.ts'
import type { Context } from '../context.ts'
import { LimitReachedError } from '../errors.ts'
import { newQueueName, uuidV7 } from '../ids.ts'
import type { Cluster } from '../store/clusters.ts'
import { insertEnrolmentSecret } from '../store/enrolment-secrets.ts'
import { countInstances, findInstance, insertInstance } from '../store/instances.ts'
import { explainOutOfReach } from './out-of-reach.ts'

/** What the user-data is to be for. */
export interface UserDataOrder {
  /** For this instance only. Default: for any of the cluster. */
  instance?: string
  format: 'cloud-config' | 'script'
  validDays: number
  /** Let in only who also shows the challenge in its Nova server's metadata. */
  challenge: boolean
}

/**
 * Makes user-data with a fresh enrolment secret; a named instance is expected from now on.
 *
 * @throws {ZaqarError} the queue service cannot sign the URLs now; nothing was kept.
 * @throws {LimitReachedError | UserDataTooLargeError}
 */
export async function makeUserData(
  context: Context,
  cluster: Cluster,
  { instance, format, validDays, challenge }: UserDataOrder,
): Promise<{ userData: string; expiresAt: Date }> {
  const { store, world } = context
  const now = world.now()
  const expiresAt = new Date(now.getTime() + validDays * 86_400_000)
  const enrolmentSecret = Uint8Array.from(world.randomBytes(32))
  const bootstrap = await makeBootstrap(context, cluster, {
    instance,
    enrolmentSecret,
    expiresAt,
    challenge,
  })
  const userData = renderUserData(bootstrap, format)
  const outOfReach = explainOutOfReach(context.advertised.url)
  if (outOfReach !== undefined) context.log.warn({ cluster: cluster.name }, outOfReach)
  await store.write(() => {
    if (instance !== undefined) expectInstance(context, cluster, instance)
    const instanceName = instance ?? null
    const row = {
      clusterId: cluster.id,
      instanceName,
      needsChallenge: challenge,
      createdAt: now,
      expiresAt,
    }
    insertEnrolmentSecret(store, enrolmentSecret, row)
  })
  return { userData, expiresAt }
}

async function makeBootstrap(
  { advertised, keyring, queue }: Context,
  cluster: Cluster,
  {
    instance,
    enrolmentSecret,
    expiresAt: expires,
    challenge,
  }: {
    instance: string | undefined
    enrolmentSecret: Uint8Array<ArrayBuffer>
    expiresAt: Date
    challenge: boolean
  },
): Promise<Bootstrap> {
  const keys = await keyring.keysOf(cluster.id)
  const [hello, lobby] = await Promise.all([
    queue.shareQueue(cluster.returnQueue, { paths: ['messages'], methods: ['POST'], expires }),
    queue.shareQueue(cluster.lobbyQueue, { paths: ['messages'], methods: ['GET'], expires }),
  ])
  const { certificateAuthority } = advertised
  return {
    v: 1,
    cluster: cluster.id,
    clusterName: cluster.name,
    ...(instance === undefined ? {} : { instanceName: instance }),
    endpoint: advertised.url,
    commandKey: keys.signingPublic,
    enrolmentKey: keys.enrolmentPublic,
    enrolmentSecret,
    ...(challenge ? { needsChallenge: true } : {}),
    hello,
    lobby,
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
  }
}

/** Reserves the name; an instance that is there already keeps what it has. */
function expectInstance({ config, store, world }: Context, cluster: Cluster, name: string): void {
  if (findInstance(store, cluster.id, name)) return
  const limit = config.limits.instancesPerCluster
  if (countInstances(store, cluster.id) >= limit) {
    throw new LimitReachedError(
      `cluster "${cluster.name}" has ${limit} instances, as many as it may`,
    )
  }
  insertInstance(store, {
    id: uuidV7(world),
    clusterId: cluster.id,
    name,
    createdAt: world.now(),
    commandQueue: newQueueName('c', world),
  })
}
