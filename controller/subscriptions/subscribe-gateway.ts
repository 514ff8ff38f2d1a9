import { ConflictError, NotFoundError } from '../../protocol/zaqar/errors.ts'
import type { CallOptions } from '../../protocol/zaqar/transport.ts'
import type { Context } from '../context.ts'
import { type Instance, readInstance } from '../store/instances.ts'
import {
  noteSubscription,
  readSubscription,
  type StoredSubscription,
} from '../store/subscriptions.ts'

/** After a failure, in milliseconds; meanwhile the gateway looks by itself, at its slow pace. */
const retryMs = 60_000

/**
 * A notification that comes late is worth nothing, and while Zaqar tries to deliver it to a gateway that is down, one of its
 * ten threads serves nobody else. This is the least that Zaqar accepts: two more attempts, within 7 s.
 */
const retryPolicy = {
  retries_with_no_delay: 0,
  minimum_delay_retries: 0,
  minimum_delay: 1,
  maximum_delay: 11,
  maximum_delay_retries: 0,
}

/**
 * Has the queue service tell the gateways of messages for an instance, and stores when that is to be renewed. Without it
 * everything works, only later: so a failure is logged, noted for another attempt, and nobody's error.
 */
export async function subscribeGateway(
  context: Context,
  instance: Pick<Instance, 'id' | 'commandQueue'>,
  signal: AbortSignal,
): Promise<void> {
  const { notifyUrls = [] } = context.config.queue.gateway ?? {}
  const { id: instanceId, commandQueue } = instance
  await Promise.all(
    notifyUrls.map(async (subscriber) => {
      const stored = readSubscription(context.store, instanceId, subscriber)
      const { subscriptionId = null } = stored ?? {}
      await keepSubscription(
        context,
        { instanceId, commandQueue, subscriber, subscriptionId },
        signal,
      )
    }),
  )
}

/** Renews one subscription, or makes it if it is not there (any more). Rejects only when the signal is aborted. */
export async function keepSubscription(
  context: Context,
  subscription: StoredSubscription,
  signal: AbortSignal,
): Promise<void> {
  const { config, log, store, world } = context
  const { instanceId, subscriber } = subscription
  const ttlSeconds = config.queue.gateway?.subscriptionTtlSeconds ?? 0
  const nowMs = world.now().getTime()
  const note = async (subscriptionId: string | null, inMs: number) => {
    const renewAt = new Date(nowMs + inMs)
    await store.write(() => {
      if (readInstance(store, instanceId) === undefined) return
      noteSubscription(store, subscription, { subscriptionId, renewAt })
    })
  }
  try {
    const id = await prolongOrMake(context, subscription, ttlSeconds, signal)
    // Spread, so that those that were made together are not renewed together.
    await note(id, (ttlSeconds * 1000 * (0.8 + 0.2 * world.random())) / 2)
  } catch (error) {
    signal.throwIfAborted()
    log.warn({ err: error, instance: instanceId, subscriber }, 'a gateway could not be subscribed')
    await note(subscription.subscriptionId, retryMs)
  }
}

async function prolongOrMake(
  { queue }: Context,
  { commandQueue, subscriber, subscriptionId }: StoredSubscription,
  ttlSeconds: number,
  signal: AbortSignal,
): Promise<string> {
  const call: CallOptions = { signal }
  try {
    if (subscriptionId !== null) {
      await queue.prolongSubscription(commandQueue, subscriptionId, ttlSeconds, call)
      return subscriptionId
    }
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error
  }
  const options = { _retry_policy: retryPolicy }
  const wanted = { subscriber, ttlSeconds, options }
  try {
    const { subscriptionId: made } = await queue.createSubscription(commandQueue, wanted, call)
    // One that was there already, and that our store does not know, has kept its old time.
    await queue.prolongSubscription(commandQueue, made, ttlSeconds, call)
    return made
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error
    for await (const listed of queue.listSubscriptions(commandQueue, call)) {
      if (listed.subscriber !== subscriber) continue
      await queue.prolongSubscription(commandQueue, listed.id, ttlSeconds, call)
      return listed.id
    }
    throw error
  }
}
