import { z } from 'zod'
import { followPages, type Page } from './follow-pages.ts'
import { markerInHref, queuePath, withQuery } from './paths.ts'
import type { CallOptions, Transport } from './transport.ts'

/** A queue's metadata: reserved keys (`_default_message_ttl`, ...) and the caller's own. */
const QueueMetadata = z.record(z.string(), z.unknown())
export type QueueMetadata = z.output<typeof QueueMetadata>

/** A queue as a listing shows it. */
export interface ListedQueue {
  /** As the server says it; other clients may have used characters that this one refuses. */
  name: string
  /** Only with `detailed`. */
  metadata?: QueueMetadata | undefined
}

/** How queues are listed. */
export interface ListQueuesOptions extends CallOptions {
  /** Queues per page, 1 to 20. Default 20. */
  pageSize?: number | undefined
  /** With metadata. */
  detailed?: boolean | undefined
}

/** One page of queues. */
export interface QueuePage extends Page<ListedQueue> {
  /** How many queues there are in all; only with `withCount`. */
  count: number | undefined
}

/** A change of one key of a queue's metadata. */
export type MetadataChange =
  | { op: 'add' | 'replace'; key: string; value: unknown }
  | { op: 'remove'; key: string }

/** How many messages a queue has. */
export interface QueueStats {
  claimed: number
  free: number
  total: number
}

/** What can be done with queues as a whole; all of it needs a token. Errors: see `errors.ts`. */
export interface QueueCalls {
  /** Creates a queue; one that exists keeps its metadata as it is. */
  createQueue: (
    queue: string,
    metadata?: QueueMetadata,
    options?: CallOptions,
  ) => Promise<'created' | 'existed'>
  /** All queues, page after page, each once. */
  listQueues: (options?: ListQueuesOptions) => AsyncGenerator<ListedQueue, void, undefined>
  /** One page, from `marker` on. It may be empty, and only an empty page is surely the last. */
  listQueuePage: (
    options?: ListQueuesOptions & {
      marker?: string | undefined
      withCount?: boolean | undefined
    },
  ) => Promise<QueuePage>
  /** A queue's metadata. Zaqar answers with the defaults for one that does not exist. */
  getQueue: (queue: string, options?: CallOptions) => Promise<QueueMetadata>
  /**
   * Changes metadata; returns the whole of it.
   *
   * @throws {ConflictError} a key to replace or remove is not there.
   */
  patchQueue: (
    queue: string,
    changes: readonly MetadataChange[],
    options?: CallOptions,
  ) => Promise<QueueMetadata>
  /** Deletes a queue and its messages. One that does not exist is no error. */
  deleteQueue: (queue: string, options?: CallOptions) => Promise<void>
  /** Counts messages; zeros for a queue that does not exist. Stock Zaqar says 503 while an expired claim is on its books. */
  getQueueStats: (queue: string, options?: CallOptions) => Promise<QueueStats>
  /** Removes what is in a queue, and keeps the queue. Default: messages and subscriptions. */
  purgeQueue: (
    queue: string,
    resourceTypes?: readonly ('messages' | 'subscriptions')[],
    options?: CallOptions,
  ) => Promise<void>
}

/** The calls about queues, over a transport. */
export function queueCalls(send: Transport): QueueCalls {
  const listQueuePage: QueueCalls['listQueuePage'] = async (options = {}) => {
    const { marker, pageSize = 20, detailed, withCount, ...callOptions } = options
    const path = withQuery('/v2/queues', {
      marker,
      limit: pageSize,
      detailed,
      with_count: withCount,
    })
    const call = { action: 'list queues', method: 'GET', path, expect: [200] } as const
    const { queues, links, count } = (await send(call, callOptions)).parse(QueueList)
    const next = links.find(({ rel }) => rel === 'next')
    return { items: queues, nextMarker: next && markerInHref(next.href), count }
  }

  return {
    listQueuePage,
    listQueues: (options) =>
      followPages(
        (marker) => listQueuePage({ ...options, marker }),
        ({ name }) => name,
      ),
    createQueue: async (queue, metadata = {}, options) => {
      const path = queuePath(queue)
      const body = JSON.stringify(metadata)
      const action = `create queue "${queue}"`
      const { status } = await send(
        { action, method: 'PUT', path, body, expect: [201, 204] },
        options,
      )
      return status === 201 ? 'created' : 'existed'
    },
    getQueue: async (queue, options) => {
      const path = queuePath(queue)
      const action = `read queue "${queue}"`
      return (await send({ action, method: 'GET', path, expect: [200] }, options)).parse(
        QueueMetadata,
      )
    },
    patchQueue: async (queue, changes, options) => {
      const answer = await send(patchCall(queue, changes), options)
      return answer.parse(QueueMetadata)
    },
    deleteQueue: async (queue, options) => {
      const path = queuePath(queue)
      const action = `delete queue "${queue}"`
      await send({ action, method: 'DELETE', path, expect: [204] }, options)
    },
    getQueueStats: async (queue, options) => {
      const path = queuePath(queue, 'stats')
      const action = `count the messages of queue "${queue}"`
      const answer = await send({ action, method: 'GET', path, expect: [200] }, options)
      return answer.parse(Stats).messages
    },
    purgeQueue: async (queue, resourceTypes = ['messages', 'subscriptions'], options) => {
      const path = queuePath(queue, 'purge')
      const body = JSON.stringify({ resource_types: resourceTypes })
      const action = `purge queue "${queue}"`
      await send({ action, method: 'POST', path, body, expect: [204] }, options)
    },
  }
}

function patchCall(queue: string, changes: readonly MetadataChange[]) {
  const patch = changes.map(({ key, ...change }) => ({
    ...change,
    path: `/metadata/${escapePointer(key)}`,
  }))
  return {
    action: `change the metadata of queue "${queue}"`,
    method: 'PATCH',
    path: queuePath(queue),
    // Zaqar answers 415 to every other content type, application/json included.
    headers: { 'Content-Type': 'application/openstack-messaging-v2.0-json-patch' },
    body: JSON.stringify(patch),
    isOnce: true,
    expect: [200],
  } as const
}

/** RFC 6901 section 3. */
function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}

export const Links = z.array(z.looseObject({ rel: z.string(), href: z.string() })).default([])

const QueueList = z.looseObject({
  queues: z.array(
    z
      .looseObject({ name: z.string(), metadata: QueueMetadata.nullish() })
      .transform(({ name, metadata }): ListedQueue => (metadata ? { name, metadata } : { name })),
  ),
  links: Links,
  count: z.number().optional(),
})

const Stats = z.looseObject({
  messages: z
    .looseObject({ claimed: z.number(), free: z.number(), total: z.number() })
    .transform(({ claimed, free, total }): QueueStats => ({ claimed, free, total })),
})
