import type { Cluster } from '../../api/resources.ts'
import { formatAge, formatMoment } from './human-time.ts'
import { formatFields, formatTable } from './table.ts'

/** Clusters as a table. */
export function formatClusters(clusters: readonly Cluster[], now: Date): string {
  return formatTable(
    ['NAME', 'ENROLLED', 'EXPECTED', 'OPEN COMMANDS', 'CREATED', 'ID'],
    clusters.map(({ name, instances, expectedInstances, openCommands, createdAt, id }) => [
      name,
      instances,
      expectedInstances,
      openCommands,
      formatAge(createdAt, now),
      id,
    ]),
  )
}

/** All that is known of one. */
export function formatCluster(cluster: Cluster, now: Date): string {
  return formatFields({
    name: cluster.name,
    id: cluster.id,
    created: formatMoment(cluster.createdAt, now),
    instances: `${cluster.instances} enrolled, ${cluster.expectedInstances} expected`,
    'open commands': cluster.openCommands,
  })
}
