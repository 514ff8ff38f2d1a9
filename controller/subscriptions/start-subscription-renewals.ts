import { type Alarm, startAlarm } from '../alarm.ts'
import type { Context } from '../context.ts'
import { createSlots } from '../dispatch/slots.ts'
import {
  expectSubscribers,
  listSubscriptionsDue,
  nextSubscriptionAt,
} from '../store/subscriptions.ts'
import { keepSubscription } from './subscribe-gateway.ts'

/** Requests under way at once: after a start with a new gateway, every instance is due. */
const atOnce = 8

/** Keeps the gateways subscribed to the command queues of all instances, those that were there before the gateway too. */
export async function startSubscriptionRenewals(context: Context): Promise<Alarm> {
  const { config, log, store, world } = context
  const { notifyUrls = [] } = config.queue.gateway ?? {}
  await store.write(() => expectSubscribers(store, notifyUrls))
  const slots = createSlots(atOnce)
  const ring = async (signal: AbortSignal) => {
    const due = listSubscriptionsDue(store, world.now())
    await Promise.all(
      due.map(async (one) => {
        await slots.use(one.instanceId, async () => await keepSubscription(context, one, signal))
      }),
    )
  }
  const nextDueAt = () => nextSubscriptionAt(store)
  return startAlarm({ name: 'subscriptions', nextDueAt, ring }, world, log)
}
