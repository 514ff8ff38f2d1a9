import type { ClaimedMessage, ClaimResult } from '../../protocol/zaqar/claims.ts'
import { backoffDelayMs } from '../../protocol/zaqar/retry.ts'
import type { Context } from '../context.ts'
import type { Cluster } from '../store/clusters.ts'
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

/** Handling takes milliseconds; after a crash, replies come back this soon. Zaqar's shortest. */
const claimTtlSeconds = 60

export function startCollectors(
  context: Context,
  parts: BatchParts,
  clusters: readonly Cluster[],
): Collectors {
  const loops = new Map<string, Loop>()
  const start = (cluster: Cluster) => {
    const abort = new AbortController()
    const ended = collect(context, parts, cluster, abort.signal)
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
  cluster: Cluster,
  signal: AbortSignal,
): Promise<void> {
  let booking: Promise<void> = Promise.resolve()
  const deletions = createDeletions(context, cluster)
  let pause = firstPause
  while (!signal.aborted) {
    try {
      const claim = await claimReplies(context, cluster, signal)
      await booking
      booking = bookClaimed(context, { ...parts, deletions }, cluster, claim.messages)
      pause = { ...nextPause(pause, claim), failures: 0 }
    } catch (error) {
      if (signal.aborted) break
      pause = { idle: 0, failures: pause.failures + 1 }
      context.log.warn({ err: error, cluster: cluster.id }, 'replies could not be claimed')
    }
    await rest(context, pause, signal)
  }
  await booking
  await deletions.settled()
}

async function claimReplies(
  { queue }: Context,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<ClaimResult> {
  const times = { ttlSeconds: claimTtlSeconds, graceSeconds: 60, waitSeconds }
  return await queue.claimMessages(cluster.returnQueue, { limit: 20, ...times, signal })
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

async function rest({ world }: Context, pause: Pause, signal: AbortSignal): Promise<void> {
  if (pause.idle === 0 && pause.failures === 0) return
  const delayMs =
    pause.failures > 0
      ? backoffDelayMs(pause.failures, world.random, { baseMs: 200, capMs: 10_000 })
      : Math.min(2000, 50 * 2 ** Math.min(pause.idle, 10)) * (0.5 + world.random() / 2)
  await world.sleep(delayMs, signal).catch(() => undefined)
}
