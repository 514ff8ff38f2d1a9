import { setImmediate as nextTurn } from 'node:timers/promises'
import { abortable } from '../../protocol/abortable.ts'
import type { Envelope } from '../../protocol/sealing/envelope.ts'
import { BadRequestError, MessageTooLargeError } from '../../protocol/zaqar/errors.ts'
import { createPostLimit } from '../../protocol/zaqar/post-limit.ts'
import { backoffDelayMs } from '../../protocol/zaqar/retry.ts'
import type { NewMessage } from '../../protocol/zaqar/split-into-posts.ts'
import { describeError } from '../log.ts'
import { type PersistParts, persist } from '../persist.ts'
import type { QueueAccess } from '../queue-access.ts'

/** Something to be posted on the return queue. */
export interface OutgoingMessage {
  envelope: Envelope
  /** 60 to 1 209 600. */
  ttlSeconds: number
  /** One that still waits under the same name is dropped for this one: only the newest heartbeat matters. */
  replaces?: string
  /** It says itself where it belongs: it may overtake others of its kind, but nothing else. */
  inAnyOrder?: boolean
  /**
   * Says the same in messages that each fit into a POST of so many bytes; `[]` when they would be no smaller. A message without
   * it may be missed: it is dropped when the queue refuses it.
   */
  cut?: (postLimitBytes: number) => Promise<OutgoingMessage[]>
}

/**
 * All that goes to the controller, in the order in which it is given: as few POSTs as possible, the next as soon as the
 * last is back. Only full ones of messages `inAnyOrder` travel several at once: what follows them waits until all are back, so
 * that whoever hears of a result can have all the output. Holds only what is handed to it, so whoever waits for `post` bounds its memory.
 *
 * A POST that the queue refuses for what is in it goes again in smaller ones, down to one message. That one is cut; if it
 * cannot be, it is tried again aside, with growing pauses: nothing waits for it.
 */
export interface Outbox {
  /**
   * Resolves when the return queue has taken the message (or a newer one has replaced it).
   *
   * @throws {MessageTooLargeError | BadRequestError} the queue refuses one without `cut`.
   * @throws the closing signal's reason.
   */
  post: (message: OutgoingMessage) => Promise<void>
  /** What the queue takes in one POST, as far as it is known, in bytes. */
  postLimitBytes: () => number
  /** Posts what comes, until `closing`. */
  run: () => Promise<void>
  /** Resolves when nothing waits and nothing is under way. */
  drained: (signal: AbortSignal) => Promise<void>
}

interface Waiting extends OutgoingMessage {
  done: PromiseWithResolvers<void>
  /** How often the queue has refused it, or a POST that it was in; then it goes alone. */
  refusals: number
}

interface Batch {
  messages: readonly Waiting[]
  bytes: number
}

/** Around the seal: `{"body":{"v":1,"sealed":"..."},"ttl":1209600},` and the frame of the POST. */
const frameBytes = 64
const messagesPerPost = 100
/** Full POSTs under way: while the queue service flushes some, others travel, however far it is. */
const postsAtOnce = 8
/** A POST that is at least as full as this is full: smaller ones rather wait, and grow. */
const fullShare = 0.5
/** The longest pause before a refused message is tried again, in milliseconds. */
const asideCapMs = 600_000

export function createOutbox(
  queue: Pick<QueueAccess, 'post'>,
  parts: PersistParts,
  closing: AbortSignal,
): Outbox {
  let waiting: Waiting[] = []
  const underWay = new Set<Promise<void>>()
  /** What is under way may be overtaken by what is in any order too. */
  let isOvertakable = true
  let failure: { error: unknown } | undefined
  let arrival = Promise.withResolvers<void>()
  let idle = Promise.withResolvers<void>()

  const postLimit = createPostLimit(parts.world)
  let asideCount = 0

  const isIdle = () => waiting.length === 0 && underWay.size === 0 && asideCount === 0

  const postBatch = async (batch: Batch): Promise<void> => {
    const messages = batch.messages.map(
      ({ envelope, ttlSeconds }): NewMessage => ({ body: envelope, ttlSeconds }),
    )
    const attempt = async () => queue.post(messages, closing)
    try {
      await persist('post on the return queue', attempt, parts, closing, isRefusalOfContent)
    } catch (error) {
      if (!isRefusalOfContent(error)) throw error
      parts.log.warn(
        { messages: messages.length, bytes: batch.bytes, ...describeError(error) },
        'the return queue refuses a POST',
      )
      await settleRefused(batch, error)
      return
    }
    for (const { done } of batch.messages) done.resolve()
  }

  const settleRefused = async (
    { messages, bytes }: Batch,
    error: MessageTooLargeError | BadRequestError,
  ): Promise<void> => {
    const maySmallerPass = error instanceof MessageTooLargeError && postLimit.lower(bytes, error)
    const [first, ...others] = messages
    if (others.length > 0 || first === undefined) {
      if (!maySmallerPass) for (const one of messages) one.refusals += 1
      waiting.unshift(...messages)
    } else if (first.cut === undefined) {
      first.done.reject(error)
    } else {
      const pieces = maySmallerPass ? await first.cut(postLimit.bytes()) : []
      if (pieces.length > 0) putInPlace(first, pieces)
      else setAside(first)
    }
  }

  const putInPlace = (whole: Waiting, pieces: readonly OutgoingMessage[]): void => {
    const cut = pieces.map((piece) => toWaiting(piece))
    waiting.unshift(...cut)
    const all = Promise.all(cut.map(async ({ done }) => await done.promise))
    all.then(() => whole.done.resolve(), whole.done.reject)
  }

  const setAside = (message: Waiting): void => {
    message.refusals += 1
    asideCount += 1
    const pause = backoffDelayMs(message.refusals, parts.world.random, { capMs: asideCapMs })
    const comeBack = () => {
      asideCount -= 1
      waiting.push(message)
      arrival.resolve()
    }
    parts.world.sleep(pause, closing).then(comeBack, () => undefined)
  }

  const startWhatMay = (): void => {
    while (waiting.length > 0 && underWay.size < postsAtOnce) {
      const { messages, bytes } = fit(waiting, postLimit.bytes())
      const inAnyOrder = messages.every((one) => one.inAnyOrder)
      const isFull = bytes >= postLimit.bytes() * fullShare
      if (underWay.size > 0 && !(inAnyOrder && isOvertakable && isFull)) return
      isOvertakable = inAnyOrder
      waiting.splice(0, messages.length)
      const posting = postBatch({ messages, bytes })
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => underWay.delete(posting))
      underWay.add(posting)
    }
  }

  return {
    postLimitBytes: postLimit.bytes,
    post: async (message) => {
      const arrived = toWaiting(message)
      const replaced = waiting.find(({ replaces }) => replaces && replaces === message.replaces)
      if (replaced) {
        waiting = waiting.filter((other) => other !== replaced)
        replaced.done.resolve()
      }
      if (isIdle()) idle = Promise.withResolvers()
      waiting.push(arrived)
      arrival.resolve()
      await abortable(arrived.done.promise, closing)
    },
    run: async () => {
      while (!closing.aborted) {
        // What comes in the same moment goes in the same POST.
        await nextTurn()
        startWhatMay()
        if (isIdle()) idle.resolve()
        arrival = Promise.withResolvers()
        await abortable(Promise.race([arrival.promise, ...underWay]), closing)
        if (failure) throw failure.error
      }
    },
    drained: async (signal) => {
      if (!isIdle()) await abortable(abortable(idle.promise, closing), signal)
    },
  }
}

function toWaiting(message: OutgoingMessage): Waiting {
  const done = Promise.withResolvers<void>()
  // Whoever posted it waits no longer once the agent is closing.
  done.promise.catch(() => undefined)
  return { ...message, done, refusals: 0 }
}

/** The same POST will never be taken. Other refusals are about our right, or the queue, and not about what is posted. */
function isRefusalOfContent(error: unknown): error is MessageTooLargeError | BadRequestError {
  return error instanceof MessageTooLargeError || error instanceof BadRequestError
}

/** Those of the first messages that fit into one POST, at least one, and what they take in it. */
function fit(waiting: readonly Waiting[], limitBytes: number): Batch {
  const messages: Waiting[] = []
  let bytes = frameBytes
  for (const one of waiting.slice(0, messagesPerPost)) {
    const more = one.envelope.sealed.length + frameBytes
    const goesAlone = one.refusals > 0 || (messages[0]?.refusals ?? 0) > 0
    if (messages.length > 0 && (goesAlone || bytes + more > limitBytes)) break
    messages.push(one)
    bytes += more
  }
  return { messages, bytes }
}
