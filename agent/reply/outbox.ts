import { setImmediate as nextTurn } from 'node:timers/promises'
import { abortable } from '../../protocol/abortable.ts'
import type { Envelope } from '../../protocol/sealing/envelope.ts'
import { defaultPostLimitBytes, type NewMessage } from '../../protocol/zaqar/split-into-posts.ts'
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
}

/**
 * All that goes to the controller, in the order in which it is given: as few POSTs as possible, the next as soon as the
 * last is back. Only full ones of messages `inAnyOrder` travel several at once: what follows them waits until all are back, so
 * that whoever hears of a result can have all the output. Holds only what is handed to it, so whoever waits for `post` bounds its memory.
 */
export interface Outbox {
  /**
   * Resolves when the return queue has taken the message (or a newer one has replaced it).
   *
   * @throws the closing signal's reason.
   */
  post: (message: OutgoingMessage) => Promise<void>
  /** Posts what comes, until `closing`. */
  run: () => Promise<void>
  /** Resolves when nothing waits and nothing is under way. */
  drained: (signal: AbortSignal) => Promise<void>
}

interface Waiting extends OutgoingMessage {
  done: PromiseWithResolvers<void>
}

/** Around the seal: `{"body":{"v":1,"sealed":"..."},"ttl":1209600},` and the frame of the POST. */
const frameBytes = 64
const messagesPerPost = 100
/** Full POSTs under way: while the queue service flushes some, others travel. */
const postsAtOnce = 3
/** From here on a POST is full: smaller ones rather wait, and grow. */
const fullPostBytes = defaultPostLimitBytes / 2

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

  const isIdle = () => waiting.length === 0 && underWay.size === 0

  const postBatch = async (batch: readonly Waiting[]): Promise<void> => {
    const messages = batch.map(
      ({ envelope, ttlSeconds }): NewMessage => ({ body: envelope, ttlSeconds }),
    )
    const attempt = async () => queue.post(messages, closing)
    await persist('post on the return queue', attempt, parts, closing)
    for (const { done } of batch) done.resolve()
  }

  const startWhatMay = (): void => {
    while (waiting.length > 0 && underWay.size < postsAtOnce) {
      const { count, bytes } = fit(waiting)
      const inAnyOrder = waiting.slice(0, count).every((one) => one.inAnyOrder)
      const goesBeside = inAnyOrder && isOvertakable && bytes >= fullPostBytes
      if (underWay.size > 0 && !goesBeside) return
      isOvertakable = inAnyOrder
      const posting = postBatch(waiting.splice(0, count))
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => underWay.delete(posting))
      underWay.add(posting)
    }
  }

  return {
    post: async (message) => {
      const done = Promise.withResolvers<void>()
      const replaced = waiting.find(({ replaces }) => replaces && replaces === message.replaces)
      if (replaced) {
        waiting = waiting.filter((other) => other !== replaced)
        replaced.done.resolve()
      }
      if (isIdle()) idle = Promise.withResolvers()
      waiting.push({ ...message, done })
      arrival.resolve()
      await abortable(done.promise, closing)
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

/** How many of the first messages fit into one POST, at least one, and what they take in it. */
function fit(waiting: readonly OutgoingMessage[]): { count: number; bytes: number } {
  let bytes = frameBytes
  let count = 0
  for (const { envelope } of waiting.slice(0, messagesPerPost)) {
    const more = envelope.sealed.length + frameBytes
    if (bytes + more > defaultPostLimitBytes && count > 0) break
    bytes += more
    count += 1
  }
  return { count, bytes }
}
