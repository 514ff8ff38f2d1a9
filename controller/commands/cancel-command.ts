import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import { CommandNotFoundError } from '../errors.ts'
import { markCancelRequested } from '../store/command-changes.ts'
import { hasOpenCancel, readCommand } from '../store/commands.ts'
import { readInstance } from '../store/instances.ts'
import { commandKey } from '../wakeups.ts'
import { endNeverPosted, hasNeverLeft } from './end-by-controller.ts'
import { fileCommand } from './file-command.ts'

/**
 * Has a command ended: at once when it has never left, otherwise by a `cancel` command behind it on the same queue,
 * which stays good as long as its target may run. One that has ended is left as it is.
 *
 * @throws {CommandNotFoundError}
 */
export async function cancelCommand(
  context: Context,
  departures: Departures,
  id: string,
  { graceSeconds }: { graceSeconds: number },
): Promise<void> {
  const { store } = context
  const instanceId = await store.write(() => {
    const command = readCommand(store, id)
    if (command === undefined) throw new CommandNotFoundError(id)
    const instance = readInstance(store, command.instanceId)
    if (command.endedAt !== null || instance === undefined) return undefined
    markCancelRequested(store, id)
    if (hasNeverLeft(command, departures)) {
      endNeverPosted(context, command, 'cancelled')
      return undefined
    }
    if (hasOpenCancel(store, id)) return undefined
    fileCommand(context, instance, {
      operation: { name: 'cancel', target: id, graceSeconds },
      startBy: command.deadline,
      timeoutSeconds: 60 + graceSeconds,
      graceSeconds: 0,
      hidden: true,
      targetId: id,
    })
    return instance.id
  })
  context.wakeups.wake(commandKey(id))
  if (instanceId !== undefined) departures.wake(instanceId)
}
