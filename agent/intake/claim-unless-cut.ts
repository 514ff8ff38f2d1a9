import type { World } from '../../protocol/world.ts'
import type { PollOptions } from '../config.ts'
import type { Lookout } from '../network/lookout.ts'
import type { ClaimOutcome, QueueAccess } from '../queue-access.ts'

interface Parts {
  queue: Pick<QueueAccess, 'claim'>
  poll: Pick<PollOptions, 'claimLimit' | 'claimTtlSeconds'>
  lookout: Pick<Lookout, 'whenBack'>
  world: Pick<World, 'monotonicMs'>
}

/** A claim that is younger is not given up: its answer may be on its way, and its messages would stay hidden. */
const shortestSilenceMs = 5000

/**
 * Gives a claim up when another request gets through after its connection had failed: what took that one may have taken
 * this one too, and it would not be missed, since silence is what a held claim waits for anyhow. Undefined if so.
 */
export async function claimUnlessCut(
  { queue, poll, lookout, world }: Parts,
  stop: AbortSignal,
): Promise<ClaimOutcome | undefined> {
  const over = new AbortController()
  const end = () => over.abort(stop.reason)
  const askedMs = world.monotonicMs()
  let isAnswered = false
  const onHead = () => {
    isAnswered = true
  }
  using _watch = lookout.whenBack((cutMs) => {
    const isOlder = askedMs <= cutMs && world.monotonicMs() - askedMs >= shortestSilenceMs
    if (isOlder && !isAnswered) end()
  })
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  try {
    const options = { limit: poll.claimLimit, ttlSeconds: poll.claimTtlSeconds, onHead }
    return await queue.claim(options, over.signal)
  } catch (error) {
    if (stop.aborted || !over.signal.aborted) throw error
    return undefined
  } finally {
    stop.removeEventListener('abort', end)
  }
}
