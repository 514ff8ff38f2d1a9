import type { z } from 'zod'
import type { Context } from '../context.ts'
import { instanceState, silentSince } from '../instances/silence.ts'
import { listAlerts } from '../store/alerts.ts'
import type { Cluster as StoredCluster } from '../store/clusters.ts'
import { countOpenCommands, type StoredCommand } from '../store/commands.ts'
import {
  countEnrolled,
  countExpected,
  type Instance as StoredInstance,
} from '../store/instances.ts'
import type { Cluster, CommandRecord, Instance } from './resources.ts'

/** Alerts of those that its agent reported that an instance is shown with. */
const shownAlerts = 20

/** A cluster as the API shows it. */
export function showCluster({ store }: Context, cluster: StoredCluster): Cluster {
  return {
    id: cluster.id,
    name: cluster.name,
    createdAt: cluster.createdAt,
    instances: countEnrolled(store, cluster.id),
    expectedInstances: countExpected(store, cluster.id),
    openCommands: countOpenCommands(store, { clusterId: cluster.id }),
  }
}

/** An instance as the API shows it. */
export function showInstance(
  context: Context,
  cluster: StoredCluster,
  instance: StoredInstance,
): Instance {
  const { store } = context
  return {
    id: instance.id,
    name: instance.name,
    cluster: cluster.name,
    state: instanceState(instance, silentSince(context)),
    instanceUuid: instance.instanceUuid,
    enrolledAt: instance.enrolledAt,
    enrolmentAllowed: instance.enrolmentAllowed,
    lastSeenAt: instance.lastSeenAt,
    agentVersion: instance.agentVersion,
    clockOffsetMs: instance.clockOffsetMs,
    credentialsExpireAt: instance.credentialsExpireAt,
    auditHead: instance.auditHead,
    openCommands: countOpenCommands(store, { instanceId: instance.id }),
    alerts: listAlerts(store, instance.id, shownAlerts),
  }
}

/** A command as the API shows it. */
export function showCommand(command: StoredCommand): z.output<typeof CommandRecord> {
  return {
    id: command.id,
    cluster: command.clusterName,
    instance: command.instanceName,
    operation: command.shown,
    state: command.state,
    ended: command.endedAt !== null,
    createdAt: command.createdAt,
    postedAt: command.postedAt,
    acceptedAt: command.acceptedAt,
    endedAt: command.endedAt,
    startBy: command.startBy,
    deadline: command.deadline,
    cancelRequested: command.cancelRequested,
    outputBytes: command.outputBytes,
    outputComplete: command.outputComplete,
    result: command.result,
  }
}
