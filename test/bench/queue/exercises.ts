import type { World } from '../../../protocol/world.ts'
import type { QueueClient } from './queue-client.ts'
import type { Burst } from './run-burst.ts'

/** One kind of use, on a queue that holds enough for it. */
export interface Exercise {
  name: string
  /** Messages that one use takes away. */
  takes: number
  /** Sizes of the messages for which it is measured. */
  kibibytes: readonly number[]
  use: (client: QueueClient, queue: string) => Promise<boolean>
}

/** Claimed at once by an agent with much to do. */
const claimLimit = 20

const post: Exercise = {
  name: 'post',
  takes: 0,
  kibibytes: [1, 64],
  use: async (client, queue) => {
    await client.post(queue)
    return true
  },
}

const list: Exercise = {
  name: 'list a page of 10',
  takes: 0,
  kibibytes: [1],
  use: async (client, queue) => {
    await client.list(queue)
    return true
  },
}

const claimAndDelete = (name: string, limit: number, kibibytes: readonly number[]): Exercise => ({
  name,
  takes: limit,
  kibibytes,
  use: async (client, queue) => {
    const ids = await client.claim(queue, limit)
    if (ids.length === 0) return false
    await client.delete(queue, ids)
    return true
  },
})

/** Two requests each, so that a use is a message's whole way out; the last one is that of twenty messages. */
export const exercises: readonly Exercise[] = [
  post,
  claimAndDelete('claim + delete', 1, [1, 64]),
  list,
  claimAndDelete(`claim + delete ${claimLimit}`, claimLimit, [1]),
]

/** Bytes of messages in one POST; Zaqar takes 262,144. */
const postBytes = 240_000

/** Puts at least so many messages into a queue, many in each request, until a moment of the monotonic clock. @returns how many. */
export async function fill(
  client: QueueClient,
  queue: string,
  { count, bodyBytes, endMs }: { count: number; bodyBytes: number; endMs: number },
  world: World,
): Promise<number> {
  const perPost = Math.max(1, Math.floor(postBytes / (bodyBytes + 64)))
  let posted = 0
  const postOn = async () => {
    while (posted < count && world.monotonicMs() < endMs) {
      const size = Math.min(perPost, count - posted)
      posted += size
      await client.post(queue, size)
    }
  }
  await Promise.all([postOn(), postOn(), postOn(), postOn()])
  return posted
}

/** What a queue must hold for a burst, by the rate of the one before; in the first one it may run dry earlier. */
export function stockFor({ takes }: Exercise, { durationMs, connections }: Burst, rate: number) {
  if (takes === 0) return 10
  return Math.ceil(takes * Math.max(connections * 2, rate * (durationMs / 1000) * 1.5))
}
