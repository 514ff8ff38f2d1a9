import { type Alarm, startAlarm } from '../alarm.ts'
import type { Context } from '../context.ts'
import { listRetirementsDue, nextRetirementAt, noteQueueDeleted } from '../store/retired-queues.ts'

/** Deletes the queues of clusters and instances that are gone, as soon as the queue service can be reached. */
export function startQueueRetirement(context: Context): Alarm {
  const { log, queue, store, world } = context
  const ring = async (signal: AbortSignal) => {
    for (const name of listRetirementsDue(store, world.now())) {
      // Stock Zaqar keeps subscriptions of a queue that is deleted, and would serve them again if it were made again.
      await queue.purgeQueue(name, ['messages', 'subscriptions'], { signal })
      await queue.deleteQueue(name, { signal })
      await store.write(() => noteQueueDeleted(store, name, world.now()))
    }
  }
  return startAlarm(
    { name: 'queue-retirement', nextDueAt: () => nextRetirementAt(store), ring },
    world,
    log,
  )
}
