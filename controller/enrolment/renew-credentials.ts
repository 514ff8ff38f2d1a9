import { z } from 'zod'
import { Credentials } from '../../protocol/messages/credentials.ts'
import { type Alarm, startAlarm } from '../alarm.ts'
import { fileCommand } from '../commands/file-command.ts'
import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import { silentSince } from '../instances/silence.ts'
import { findCluster } from '../store/clusters.ts'
import { readInstance } from '../store/instances.ts'
import { listRenewalsDue, nextRenewalAt, noteCredentials } from '../store/renewals.ts'
import { mintCredentials } from './mint-credentials.ts'

/**
 * Sends each instance new signed URLs at half of the old ones' life, as a `credentials` command. A silent instance gets
 * none until it is heard of again; if its URLs end meanwhile, it asks over the lobby.
 */
export function startRenewals(context: Context, departures: Departures): Alarm {
  const { log, store, world } = context
  const ring = async (signal: AbortSignal) => {
    const due = listRenewalsDue(store, world.now(), silentSince(context))
    for (const instanceId of due) await renew(context, departures, instanceId, signal)
  }
  const nextDueAt = () => nextRenewalAt(store, silentSince(context))
  return startAlarm({ name: 'renewals', nextDueAt, ring }, world, log)
}

async function renew(
  context: Context,
  departures: Departures,
  instanceId: string,
  signal: AbortSignal,
): Promise<void> {
  const { store } = context
  const instance = readInstance(store, instanceId)
  const cluster = instance && findCluster(store, instance.clusterId)
  if (!instance || !cluster) return
  const { credentials, expireAt, renewAt } = await mintCredentials(
    context,
    cluster,
    instance,
    signal,
  )
  await store.write(() => {
    if (readInstance(store, instanceId) === undefined) return
    fileCommand(context, instance, {
      operation: { name: 'credentials', credentials: z.encode(Credentials, credentials) },
      // Once the old ones have ended, it could not come for this command.
      startBy: instance.credentialsExpireAt ?? expireAt,
      timeoutSeconds: 60,
      graceSeconds: 0,
      hidden: true,
    })
    noteCredentials(store, instanceId, { expireAt, renewAt, now: context.world.now() })
  })
  departures.wake(instanceId)
}
