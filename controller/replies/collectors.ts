import type { World } from '../../protocol/world.ts'
import type { ClaimedMessage, ClaimResult } from '../../protocol/zaqar/claims.ts'
import { ReplyUnparsableError } from '../../protocol/zaqar/errors.ts'
import { backoffDelayMs } from '../../protocol/zaqar/retry.ts'
import type { Context } from '../context.ts'
import type { Cluster } from '../store/clusters.ts'
import type { Subscription } from '../wakeups.ts'
import { type Announcer, repliesKey } from './announcer.ts'
import { createDeletions, type Deletions } from './deletions.ts'
import { type BatchParts, handleBatch } from './handle-batch.ts'

/** Takes in what agents post: one claim loop for each cluster's return queue. */
export interface Collectors extends AsyncDisposable {
  start: (cluster: Cluster) => void
  /** Resolves when the loop has ended. */
  stop: (clusterId: string) => Promise<void>
}

interface Loop {
  abort: AbortController
  ended: Promise<void>
}

/** The queue may hold a claim request this long. */
const waitSeconds = 30

/** Messages of a claim: as many as Zaqar gives unless it is set otherwise. */
const claimLimit = 20

/** Handling takes milliseconds; after a crash, replies come back this soon. Zaqar's shortest. */
const claimTtlSeconds = 60

export function startCollectors(
  context: Context,
  parts: BatchParts,
  announcer: Announcer,
  clusters: readonly Cluster[],
): Collectors {
  const loops = new Map<string, Loop>()
  const start = (cluster: Cluster) => {
    const abort = new AbortController()
    announcer.watch(cluster.returnQueue)
    const ended = collect(context, parts, announcer, cluster, abort.signal).finally(() => {
      announcer.unwatch(cluster.returnQueue)
    })
    loops.set(cluster.id, { abort, ended })
  }
  const stop = async (clusterId: string) => {
    const loop = loops.get(clusterId)
    loop?.abort.abort()
    loops.delete(clusterId)
    await loop?.ended
  }
  for (const cluster of clusters) start(cluster)
  return {
    start,
    stop,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...loops.keys()].map(stop))
    },
  }
}

/**
 * Claims and handles, for ever. While one batch is booked the next is claimed already, and no more than that, so that
 * memory stays flat however much waits on the queue. Batches are booked in order.
 */
async function collect(
  context: Context,
  parts: BatchParts,
  announcer: Announcer,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<void> {
  using woken = context.wakeups.subscribe(repliesKey(cluster.returnQueue))
  let booking: Promise<void> = Promise.resolve()
  const deletions = createDeletions(context, cluster)
  let pause = firstPause
  // Zaqar writes what it has anew: some numbers take five times the room then, and twenty messages more than we read.
  let limit = claimLimit
  while (!signal.aborted) {
    try {
      const claim = await claimReplies(context, cluster, limit, signal)
      limit = Math.min(claimLimit, limit * 2)
      await booking
      booking = bookClaimed(context, { ...parts, deletions }, cluster, claim.messages)
      pause = { ...nextPause(pause, claim), failures: 0 }
    } catch (error) {
      if (signal.aborted) break
      if (error instanceof ReplyUnparsableError) limit = 1
      pause = { idle: 0, failures: pause.failures + 1 }
      context.log.warn({ err: error, cluster: cluster.id }, 'replies could not be claimed')
    }
    const delayMs = pauseMs(pause, ceilingMs(context, announcer, cluster), context.world.random)
    if (await isWokenWithin(delayMs, woken, context.world, signal)) pause = firstPause
  }
  await booking
  await deletions.settled()
}

async function claimReplies(
  { queue }: Context,
  cluster: Cluster,
  limit: number,
  signal: AbortSignal,
): Promise<ClaimResult> {
  const times = { ttlSeconds: claimTtlSeconds, graceSeconds: 60, waitSeconds }
  return await queue.claimMessages(cluster.returnQueue, { limit, ...times, signal })
}

async function bookClaimed(
  context: Context,
  parts: BatchParts & { deletions: Deletions },
  cluster: Cluster,
  messages: readonly ClaimedMessage[],
): Promise<void> {
  if (messages.length === 0) return
  try {
    await handleBatch(context, parts, cluster, messages)
  } catch (error) {
    // They come back when their claim has run out.
    context.log.error({ err: error, cluster: cluster.id }, 'replies could not be handled')
  }
}

/** How many times in a row nothing came though nobody waited for it, and how many times the claim failed. */
interface Pause {
  idle: number
  failures: number
}

const firstPause: Pause = { idle: 0, failures: 0 }

/** A service that holds no request open answers at once: there we rest between claims, longer and longer. Pure. */
function nextPause({ idle }: Pause, claim: ClaimResult): Pick<Pause, 'idle'> {
  return { idle: claim.messages.length > 0 || claim.waited ? 0 : idle + 1 }
}

/** While arrivals are announced, polling is there for announcements that are lost. */
function ceilingMs({ config }: Context, announcer: Announcer, { returnQueue }: Cluster): number {
  const { ceilingSeconds, announcedCeilingSeconds } = config.queue.poll
  return 1000 * (announcer.isAnnounced(returnQueue) ? announcedCeilingSeconds : ceilingSeconds)
}

/**
 * How long to rest before the next claim, in milliseconds. It begins short also after an announcement, since Zaqar announces
 * a message just before it stores it. Pure.
 */
function pauseMs({ idle, failures }: Pause, ceiling: number, random: () => number): number {
  if (failures > 0) return backoffDelayMs(failures, random, { baseMs: 200, capMs: 10_000 })
  if (idle === 0) return 0
  return Math.min(ceiling, 50 * 2 ** Math.min(idle, 20)) * (0.5 + random() / 2)
}

/** Rests, but no longer than until something may have arrived. */
async function isWokenWithin(
  delayMs: number,
  woken: Subscription,
  world: Pick<World, 'sleep'>,
  signal: AbortSignal,
): Promise<boolean> {
  if (delayMs === 0) return false
  const over = new AbortController()
  const end = () => over.abort()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const sleeping = world.sleep(delayMs, over.signal).then(() => false)
  const waking = woken.next(over.signal).then(() => true)
  try {
    return await Promise.race([sleeping, waking])
  } catch {
    return false
  } finally {
    end()
    signal.removeEventListener('abort', end)
    await Promise.allSettled([sleeping, waking])
  }
}
