import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import { retireInstance } from '../instances/retire-instance.ts'
import { type Cluster, markClusterDeleted } from '../store/clusters.ts'
import { lastSecretExpiry } from '../store/enrolment-secrets.ts'
import { listInstances } from '../store/instances.ts'
import { retireQueue } from '../store/retired-queues.ts'

/** Deletes a cluster: its instances are taken out of use, its queues retired, its keys forgotten. Its old commands can still be read. */
export async function deleteCluster(
  context: Context,
  departures: Departures,
  cluster: Cluster,
): Promise<void> {
  const { config, keyring, store, world } = context
  await store.write(() => {
    const now = world.now()
    const lastSecretMs = lastSecretExpiry(store, cluster.id)?.getTime() ?? 0
    for (const instance of listInstances(store, cluster.id)) {
      retireInstance(context, departures, instance, { forgotten: true })
    }
    const lastUrlMs = now.getTime() + config.signedUrlLifeSeconds * 1000
    const signedUntil = new Date(Math.max(lastUrlMs, lastSecretMs))
    retireQueue(store, cluster.returnQueue, { now, signedUntil })
    retireQueue(store, cluster.lobbyQueue, { now, signedUntil })
    markClusterDeleted(store, cluster.id, now)
  })
  keyring.forget(cluster.id)
}
