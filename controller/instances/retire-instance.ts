import { endLost, endNeverPosted, hasNeverLeft } from '../commands/end-by-controller.ts'
import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import { listOpenCommands } from '../store/commands.ts'
import { deleteEnrolmentSecrets } from '../store/enrolment-secrets.ts'
import { type Instance, markInstanceDeleted } from '../store/instances.ts'
import { retireQueue } from '../store/retired-queues.ts'
import { dropSubscriptions } from '../store/subscriptions.ts'
import { commandKey } from '../wakeups.ts'

/**
 * Takes an instance out of use: its open commands end (`cancelled` if they never left, else `lost`), its queue is
 * retired, its keys are forgotten, so that what still arrives under its name opens with none. Call it inside `write`.
 *
 * @param forgotten for good: neither its user-data nor its key may bring it back.
 */
export function retireInstance(
  context: Context,
  departures: Departures,
  instance: Instance,
  { forgotten }: { forgotten: boolean },
): void {
  const { store, wakeups, world } = context
  for (const command of listOpenCommands(store, instance.id)) {
    if (hasNeverLeft(command, departures)) endNeverPosted(context, command, 'cancelled')
    else endLost(context, command)
    wakeups.wake(commandKey(command.id))
  }
  const now = world.now()
  const signedUntil = instance.credentialsExpireAt ?? now
  retireQueue(store, instance.commandQueue, { now, signedUntil })
  dropSubscriptions(store, instance.id)
  markInstanceDeleted(store, instance.id, { now, forgotten })
  if (forgotten) deleteEnrolmentSecrets(store, instance.clusterId, instance.name)
}
