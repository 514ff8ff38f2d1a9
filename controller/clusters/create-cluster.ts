import { generatePrivateKey } from '../../protocol/sealing/keys.ts'
import type { Context } from '../context.ts'
import { ClusterExistsError, LimitReachedError } from '../errors.ts'
import { newQueueName, uuidV7 } from '../ids.ts'
import { type Cluster, findCluster, insertCluster, listClusters } from '../store/clusters.ts'

/**
 * Makes a cluster with keys and queues of its own. The queue service need not be there: queues come into being with
 * their first message.
 *
 * @throws {ClusterExistsError | LimitReachedError}
 */
export async function createCluster(
  { config, store, world }: Context,
  { name }: { name: string },
): Promise<Cluster> {
  const signing = await generatePrivateKey('Ed25519')
  const enrolment = await generatePrivateKey('X25519')
  const cluster = {
    id: uuidV7(world),
    name,
    createdAt: world.now(),
    returnQueue: newQueueName('r', world),
    lobbyQueue: newQueueName('l', world),
  }
  return await store.write(() => {
    if (findCluster(store, name)) throw new ClusterExistsError(name)
    if (listClusters(store).length >= config.limits.clusters) {
      throw new LimitReachedError(
        `there are ${config.limits.clusters} clusters, as many as there may be (limits.clusters)`,
      )
    }
    insertCluster(store, cluster, { signing, enrolment })
    return cluster
  })
}
