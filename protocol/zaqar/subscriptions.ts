import { z } from 'zod'
import { followPages, type Page } from './follow-pages.ts'
import { markerInHref, queuePath, ServerId, withQuery } from './paths.ts'
import { Links } from './queues.ts'
import type { CallOptions, Transport } from './transport.ts'

/** Who is to be told of a queue's messages. */
export interface NewSubscription {
  /** Where the service POSTs each message of the queue: http, https, mailto or trust+http(s). */
  subscriber: string
  /** It ends silently after this; at least 60. Default 3600. */
  ttlSeconds?: number | undefined
  /** Zaqar's own, such as `post_headers` and `post_data`. */
  options?: Readonly<Record<string, unknown>> | undefined
}

/** A subscription as the service lists it. */
export interface ListedSubscription {
  id: string
  subscriber: string
  ttlSeconds: number
  ageSeconds: number
}

/** How subscriptions are listed. */
export interface ListSubscriptionsOptions extends CallOptions {
  /** Subscriptions per page, 1 to 20. Default 20. */
  pageSize?: number | undefined
}

/**
 * What can be done with subscriptions; it needs a token. A notification carries no message id and may be lost: take it
 * as a wake-up, and claim. Errors: see `errors.ts`.
 */
export interface SubscriptionCalls {
  /**
   * Subscribes. The queue is made if need be. A subscriber that is subscribed already keeps its subscription with its
   * old time to live: prolong that with `prolongSubscription`.
   *
   * @throws {ConflictError} it is subscribed already, and confirmed.
   */
  createSubscription: (
    queue: string,
    subscription: NewSubscription,
    options?: CallOptions,
  ) => Promise<{ subscriptionId: string }>
  /** All subscriptions of a queue, page after page, each once. */
  listSubscriptions: (
    queue: string,
    options?: ListSubscriptionsOptions,
  ) => AsyncGenerator<ListedSubscription, void, undefined>
  /** Lets a subscription last `ttlSeconds` from now. @throws {NotFoundError} it has ended; make a new one. */
  prolongSubscription: (
    queue: string,
    subscriptionId: string,
    ttlSeconds: number,
    options?: CallOptions,
  ) => Promise<void>
  /** Ends a subscription. One that does not exist is no error. */
  deleteSubscription: (
    queue: string,
    subscriptionId: string,
    options?: CallOptions,
  ) => Promise<void>
}

/** The calls about subscriptions, over a transport. */
export function subscriptionCalls(send: Transport): SubscriptionCalls {
  const listPage = async (
    queue: string,
    {
      marker,
      pageSize = 20,
      ...options
    }: ListSubscriptionsOptions & { marker?: string | undefined },
  ): Promise<Page<ListedSubscription>> => {
    const path = withQuery(queuePath(queue, 'subscriptions'), { marker, limit: pageSize })
    const action = `list the subscriptions of queue "${queue}"`
    const answer = await send({ action, method: 'GET', path, expect: [200] }, options)
    const { subscriptions, links } = answer.parse(SubscriptionList)
    const next = links.find(({ rel }) => rel === 'next')
    return { items: subscriptions, nextMarker: next && markerInHref(next.href) }
  }

  return {
    createSubscription: async (queue, { subscriber, ttlSeconds = 3600, options: own }, options) => {
      const path = queuePath(queue, 'subscriptions')
      const body = JSON.stringify({ subscriber, ttl: ttlSeconds, options: own ?? {} })
      const action = `subscribe to queue "${queue}"`
      const answer = await send({ action, method: 'POST', path, body, expect: [201] }, options)
      return { subscriptionId: answer.parse(Created).subscription_id }
    },
    listSubscriptions: (queue, options = {}) =>
      followPages(
        (marker) => listPage(queue, { ...options, marker }),
        ({ id }) => id,
      ),
    prolongSubscription: async (queue, subscriptionId, ttlSeconds, options) => {
      const path = queuePath(queue, 'subscriptions', subscriptionId)
      const body = JSON.stringify({ ttl: ttlSeconds })
      const action = `prolong a subscription to queue "${queue}"`
      await send({ action, method: 'PATCH', path, body, expect: [204] }, options)
    },
    deleteSubscription: async (queue, subscriptionId, options) => {
      const path = queuePath(queue, 'subscriptions', subscriptionId)
      const action = `end a subscription to queue "${queue}"`
      await send({ action, method: 'DELETE', path, expect: [204] }, options)
    },
  }
}

const Created = z.looseObject({ subscription_id: ServerId })

const SubscriptionList = z.looseObject({
  subscriptions: z.array(
    z
      .looseObject({ id: ServerId, subscriber: z.string(), ttl: z.number(), age: z.number() })
      .transform(
        ({ id, subscriber, ttl, age }): ListedSubscription => ({
          id,
          subscriber,
          ttlSeconds: ttl,
          ageSeconds: age,
        }),
      ),
  ),
  links: Links,
})
