import { z } from 'zod'
import { Moment, toMs } from './database.ts'
import type { Store } from './open-store.ts'

/** A subscriber to an instance's command queue. */
export interface StoredSubscription {
  instanceId: string
  commandQueue: string
  subscriber: string
  /** Zaqar's; null while there is none. */
  subscriptionId: string | null
}

const SubscriptionRow = z
  .object({
    instance_id: z.string(),
    command_queue: z.string(),
    subscriber: z.string(),
    subscription_id: z.string().nullable(),
  })
  .transform(
    (row): StoredSubscription => ({
      instanceId: row.instance_id,
      commandQueue: row.command_queue,
      subscriber: row.subscriber,
      subscriptionId: row.subscription_id,
    }),
  )

/**
 * Makes the table what the configuration says: each enrolled instance has these subscribers and no others. What is new is
 * due at once; what is gone ends by itself, or went with its queue. Call it inside `write`.
 */
export function expectSubscribers({ database }: Store, subscribers: readonly string[]): void {
  const wanted = JSON.stringify(subscribers)
  database.run(
    `DELETE FROM subscriptions WHERE subscriber NOT IN (SELECT value FROM json_each(:wanted))
       OR instance_id NOT IN (SELECT id FROM instances WHERE deleted_at IS NULL)`,
    { wanted },
  )
  database.run(
    `INSERT OR IGNORE INTO subscriptions (instance_id, subscriber, renew_at)
     SELECT instances.id, value, 0 FROM instances, json_each(:wanted)
     WHERE deleted_at IS NULL AND enrolled_at IS NOT NULL`,
    { wanted },
  )
}

/** What is known of one subscriber of an instance. */
export function readSubscription(
  { database }: Store,
  instanceId: string,
  subscriber: string,
): StoredSubscription | undefined {
  return database.get(
    SubscriptionRow,
    `SELECT instance_id, command_queue, subscriber, subscription_id
     FROM subscriptions JOIN instances ON id = instance_id
     WHERE instance_id = :instanceId AND subscriber = :subscriber`,
    { instanceId, subscriber },
  )
}

/** Call it inside `write`. */
export function noteSubscription(
  { database }: Store,
  { instanceId, subscriber }: Pick<StoredSubscription, 'instanceId' | 'subscriber'>,
  { subscriptionId, renewAt }: { subscriptionId: string | null; renewAt: Date },
): void {
  database.run(
    `INSERT INTO subscriptions (instance_id, subscriber, subscription_id, renew_at)
     VALUES (:instanceId, :subscriber, :subscriptionId, :renewAt)
     ON CONFLICT DO UPDATE SET subscription_id = :subscriptionId, renew_at = :renewAt`,
    { instanceId, subscriber, subscriptionId, renewAt: toMs(renewAt) },
  )
}

export function nextSubscriptionAt({ database }: Store): Date | undefined {
  return database.get(
    z.object({ renew_at: Moment }),
    `SELECT subscriptions.renew_at FROM subscriptions JOIN instances ON id = instance_id
     WHERE deleted_at IS NULL ORDER BY subscriptions.renew_at LIMIT 1`,
  )?.renew_at
}

/** Those that are to be made or renewed, a hundred at most, the most urgent first. */
export function listSubscriptionsDue({ database }: Store, now: Date): StoredSubscription[] {
  return database.all(
    SubscriptionRow,
    `SELECT instance_id, command_queue, subscriber, subscription_id
     FROM subscriptions JOIN instances ON id = instance_id
     WHERE subscriptions.renew_at <= :now AND deleted_at IS NULL
     ORDER BY subscriptions.renew_at LIMIT 100`,
    { now: toMs(now) },
  )
}

/** An instance is taken out of use; its subscriptions go with its queue. Call it inside `write`. */
export function dropSubscriptions({ database }: Store, instanceId: string): void {
  database.run(`DELETE FROM subscriptions WHERE instance_id = :instanceId`, { instanceId })
}
