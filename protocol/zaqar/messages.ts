import { z } from 'zod'
import type { World } from '../world.ts'
import { BadRequestError, MessageTooLargeError } from './errors.ts'
import { followPages, type Page } from './follow-pages.ts'
import { type Message, WireMessage } from './message.ts'
import { idInHref, markerInHref, queuePath, withIds, withQuery } from './paths.ts'
import { Links } from './queues.ts'
import { type NewMessage, type Post, splitIntoPosts } from './split-into-posts.ts'
import type { CallOptions, ClaimRef, Transport } from './transport.ts'

/** How messages are listed. */
export interface ListMessagesOptions extends CallOptions {
  /** Messages per page, 1 to 20. Default 20. */
  pageSize?: number | undefined
  /**
   * With messages that this Client-ID has posted. Default true, unlike Zaqar's: its filter works after
   * paging, so that a page of one's own messages hides all that follow.
   */
  echo?: boolean | undefined
  /** With messages that are claimed. Default false. */
  includeClaimed?: boolean | undefined
}

/** What can be done with messages. Errors: see `errors.ts`. */
export interface MessageCalls {
  /**
   * Posts messages in one request, in order; returns their ids. Use `splitIntoPosts` for many. Where the service lets no
   * message live so long (`max_message_ttl`), they are posted with the longest life that it allows.
   *
   * @throws {MessageTooLargeError} they are over the limit; nothing was sent, or nothing was taken.
   */
  postMessages: (
    queue: string,
    messages: readonly NewMessage[] | Post,
    options?: CallOptions,
  ) => Promise<string[]>
  /** Lists without claiming, oldest first, each message once, whatever the server makes of its markers. */
  listMessages: (
    queue: string,
    options?: ListMessagesOptions,
  ) => AsyncGenerator<Message, void, undefined>
  /** One page from `marker` on; `waitSeconds` as in `claimMessages`. */
  listMessagePage: (
    queue: string,
    options?: ListMessagesOptions & {
      marker?: string | undefined
      waitSeconds?: number | undefined
    },
  ) => Promise<Page<Message>>
  /** One message by its id, or `undefined`. */
  getMessage: (queue: string, id: string, options?: CallOptions) => Promise<Message | undefined>
  /** Those of the ids that exist. */
  getMessages: (queue: string, ids: readonly string[], options?: CallOptions) => Promise<Message[]>
  /**
   * Deletes one message; one that is gone is no error, so that a lost answer can be repeated. A claimed one
   * needs its claim.
   *
   * @throws {ClaimLostError} the claim holds the message no longer.
   * @throws {ConflictError} it is claimed, and no claim was given.
   */
  deleteMessage: (
    queue: string,
    id: string,
    options?: CallOptions & { claim?: ClaimRef | undefined },
  ) => Promise<void>
  /** Deletes in requests of 20. Zaqar heeds no claims here: use it only as the queue's one consumer. */
  deleteMessages: (queue: string, ids: readonly string[], options?: CallOptions) => Promise<void>
  /** Takes and deletes the oldest `count` (1 to 20) unclaimed messages. If the answer is lost, so are they. */
  popMessages: (queue: string, count: number, options?: CallOptions) => Promise<Message[]>
}

/** A longest life that was announced is forgotten after this, in milliseconds, as the limit of a POST is. */
const longestTtlLastsMs = 3_600_000

/** Zaqar's own limit for `?ids=`. */
const idsPerRequest = 20

/** The calls about messages, over a transport. */
export function messageCalls(
  send: Transport,
  { maxPostBytes }: { maxPostBytes: number },
  world: Pick<World, 'monotonicMs'>,
): MessageCalls {
  const listMessagePage: MessageCalls['listMessagePage'] = async (queue, options = {}) => {
    const { waitSeconds } = options
    const path = listPath(queue, options)
    const action = `list messages of queue "${queue}"`
    const call = { action, method: 'GET', path, waitSeconds, expect: [200, 204] } as const
    const answer = await send(call, options)
    if (answer.status === 204) return { items: [], nextMarker: undefined }
    const { messages, links } = answer.parse(MessageList)
    const next = links.find(({ rel }) => rel === 'next')
    return { items: messages, nextMarker: next && markerInHref(next.href) }
  }

  const postAsItIs = async (
    queue: string,
    { json }: Post,
    options: CallOptions | undefined,
  ): Promise<string[]> => {
    const action = `post messages to queue "${queue}"`
    const path = queuePath(queue, 'messages')
    const call = { action, method: 'POST', path, body: json, isOnce: true, expect: [201] } as const
    return (await send(call, options)).parse(PostedIds)
  }
  /** Known once a message that was to live longer was refused. */
  let longestTtlSeconds = Number.POSITIVE_INFINITY
  let forgottenAtMs = 0
  const isTooLong = ({ ttlSeconds = 0 }: NewMessage) => ttlSeconds > longestTtlSeconds
  const shorten = (post: Post): Post => {
    if (world.monotonicMs() >= forgottenAtMs) longestTtlSeconds = Number.POSITIVE_INFINITY
    if (!post.messages.some(isTooLong)) return post
    const [shorter = post] = splitIntoPosts(
      post.messages.map((message) =>
        isTooLong(message) ? { ...message, ttlSeconds: longestTtlSeconds } : message,
      ),
      Number.POSITIVE_INFINITY,
    )
    return shorter
  }

  return {
    listMessagePage,
    listMessages: (queue, options = {}) => {
      // Pages of one never get past the first message: its own marker leads back to it.
      const pageSize = Math.max(2, options.pageSize ?? 20)
      return followPages(
        (marker) => listMessagePage(queue, { ...options, pageSize, marker }),
        ({ id }) => id,
      )
    },
    postMessages: async (queue, messages, options) => {
      const action = `post messages to queue "${queue}"`
      const post = 'json' in messages ? messages : asOnePost(action, messages, maxPostBytes)
      if (post === undefined) return []
      const first = shorten(post)
      try {
        return await postAsItIs(queue, first, options)
      } catch (error) {
        if (!(error instanceof BadRequestError) || !error.longestTtlSeconds) throw error
        longestTtlSeconds = error.longestTtlSeconds
        forgottenAtMs = world.monotonicMs() + longestTtlLastsMs
        const shorter = shorten(first)
        if (shorter === first) throw error
        return await postAsItIs(queue, shorter, options)
      }
    },
    getMessage: async (queue, id, options) => {
      const path = queuePath(queue, 'messages', id)
      const action = `read a message of queue "${queue}"`
      const call = { action, method: 'GET', path, expect: [200], orNotFound: true } as const
      const answer = await send(call, options)
      return answer.status === 404 ? undefined : answer.parse(WireMessage)
    },
    getMessages: async (queue, ids, options) => {
      const found: Message[] = []
      for (const batch of inBatches(ids)) {
        const path = withIds(queuePath(queue, 'messages'), batch)
        const action = `read messages of queue "${queue}"`
        const call = { action, method: 'GET', path, expect: [200], orNotFound: true } as const
        const answer = await send(call, options)
        if (answer.status === 200) found.push(...answer.parse(MessageList).messages)
      }
      return found
    },
    deleteMessage: async (queue, id, options = {}) => {
      const { claim } = options
      const path = withQuery(queuePath(queue, 'messages', id), { claim_id: claim?.claimId })
      const action = `delete a message of queue "${queue}"`
      const call = {
        action,
        method: 'DELETE',
        path,
        claim,
        deletesMessage: true,
        expect: [204],
      } as const
      await send(call, options)
    },
    deleteMessages: async (queue, ids, options) => {
      for (const batch of inBatches(ids)) {
        const path = withIds(queuePath(queue, 'messages'), batch)
        const action = `delete messages of queue "${queue}"`
        await send({ action, method: 'DELETE', path, deletesMessage: true, expect: [204] }, options)
      }
    },
    popMessages: async (queue, count, options) => {
      const path = withQuery(queuePath(queue, 'messages'), { pop: count })
      const action = `pop messages of queue "${queue}"`
      const call = { action, method: 'DELETE', path, isOnce: true, expect: [200] } as const
      return (await send(call, options)).parse(MessageList).messages
    },
  }
}

function listPath(
  queue: string,
  options: ListMessagesOptions & { marker?: string | undefined },
): string {
  const { pageSize = 20, echo = true, includeClaimed = false } = options
  return withQuery(queuePath(queue, 'messages'), {
    limit: pageSize,
    // Stock Zaqar fails on include_claimed without a marker; one that it does not know is the beginning.
    marker: options.marker ?? (includeClaimed ? '0' : undefined),
    echo,
    include_claimed: includeClaimed,
  })
}

function asOnePost(
  action: string,
  messages: readonly NewMessage[],
  limitBytes: number,
): Post | undefined {
  const [post, ...more] = splitIntoPosts(messages, limitBytes)
  if (more.length === 0) return post
  const problem = `one POST takes ${limitBytes} bytes, these ${messages.length} messages are over it`
  throw new MessageTooLargeError(action, problem)
}

function inBatches(ids: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / idsPerRequest) }, (_, index) =>
    ids.slice(index * idsPerRequest, (index + 1) * idsPerRequest),
  )
}

const MessageList = z.looseObject({ messages: z.array(WireMessage), links: Links })

const PostedIds = z
  .looseObject({ resources: z.array(z.string()) })
  .transform(({ resources }, context) => {
    const ids = resources.map((href) => idInHref(href, 'messages'))
    if (ids.every((id) => id !== undefined)) return ids
    context.issues.push({ code: 'custom', message: 'a resource without an id', input: resources })
    return z.NEVER
  })
