import type { Context } from '../context.ts'
import { ClusterNotFoundError, CommandNotFoundError, InstanceNotFoundError } from '../errors.ts'
import { type Cluster, findCluster } from '../store/clusters.ts'
import { readCommand, type StoredCommand } from '../store/commands.ts'
import { findInstance, type Instance } from '../store/instances.ts'

/** @throws {ClusterNotFoundError} */
export function requireCluster({ store }: Context, nameOrId: string): Cluster {
  const cluster = findCluster(store, nameOrId)
  if (cluster === undefined) throw new ClusterNotFoundError(nameOrId)
  return cluster
}

/** @throws {ClusterNotFoundError | InstanceNotFoundError} */
export function requireInstance(
  context: Context,
  cluster: string,
  nameOrId: string,
): { cluster: Cluster; instance: Instance } {
  const found = requireCluster(context, cluster)
  const instance = findInstance(context.store, found.id, nameOrId)
  if (instance === undefined) throw new InstanceNotFoundError(found.name, nameOrId)
  return { cluster: found, instance }
}

/** @throws {CommandNotFoundError} */
export function requireCommand({ store }: Context, id: string): StoredCommand {
  const command = readCommand(store, id)
  if (command === undefined) throw new CommandNotFoundError(id)
  return command
}
