import pRetry from 'p-retry'
import type { World } from '../world.ts'
import { QueueUnavailableError, RateLimitedError } from './errors.ts'
import { isRetryable } from './judge-failure.ts'

/** How often, and how slowly, a call is repeated. */
export interface RetryOptions {
  /** Repetitions after the first attempt. Default: for ever. */
  retries?: number
  /** The bound of the first delay, in milliseconds; it doubles with each attempt. Default 500. */
  baseMs?: number
  /** No delay of our own is longer, in milliseconds. Default 60 000. */
  capMs?: number
  /** A `Retry-After` beyond this is cut, so that a server cannot silence a client, in milliseconds. Default 300 000. */
  retryAfterCapMs?: number
  /** Ends the waiting; the promise rejects with its reason. Hand it to the attempt as well. */
  signal?: AbortSignal | undefined
  /** Which errors are worth another attempt. Default: the outages (`isRetryable`). */
  shouldRetry?: (error: Error) => boolean
  /**
   * Ends a delay early, and begins the back-off anew: resolves when things look better. Called for each delay, with a signal
   * that ends with it. A delay that the server asked for is kept.
   */
  untilBack?: ((signal: AbortSignal) => Promise<void>) | undefined
  /** Called before each delay, for logs. */
  onRetry?: (failure: { error: Error; attempt: number; delayMs: number }) => void
}

/**
 * Repeats `attempt` until it succeeds or fails for good, with full jitter between attempts.
 *
 * @throws the last attempt's error, when it is not worth another or `retries` are used up.
 */
export async function retry<T>(
  attempt: (attemptNumber: number) => Promise<T>,
  options: RetryOptions,
  world: Pick<World, 'sleep' | 'random'>,
): Promise<T> {
  const { retries = Number.POSITIVE_INFINITY, signal, shouldRetry = isRetryable } = options
  /** Attempts before the network came back do not count for the delay. */
  let forgiven = 0
  return await pRetry(attempt, {
    retries,
    signal,
    // p-retry's own delays use the global timers and randomness; ours come from the world.
    minTimeout: 0,
    shouldRetry: async ({ error, attemptNumber }) => {
      if (!shouldRetry(error)) return false
      const delayMs = retryDelayMs(error, attemptNumber - forgiven, options, world.random)
      options.onRetry?.({ error, attempt: attemptNumber, delayMs })
      const mayEndEarly = askedDelayMs(error) === 0
      const isBack = await pause(
        delayMs,
        mayEndEarly ? options.untilBack : undefined,
        signal,
        world,
      )
      if (isBack) forgiven = attemptNumber
      return true
    },
  })
}

/** Waits; true when it ended early. Rejects with the signal's reason. */
async function pause(
  delayMs: number,
  untilBack: RetryOptions['untilBack'],
  signal: AbortSignal | undefined,
  world: Pick<World, 'sleep'>,
): Promise<boolean> {
  if (!untilBack) {
    await sleepUnlessAborted(delayMs, signal, world)
    return false
  }
  const either = new AbortController()
  const end = () => either.abort(signal?.reason)
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted) end()
  try {
    return await Promise.race([
      sleepUnlessAborted(delayMs, either.signal, world).then(() => false),
      untilBack(either.signal).then(() => true),
    ])
  } finally {
    signal?.removeEventListener('abort', end)
    either.abort()
  }
}

/** Timers reject with an error of their own when they are aborted; callers are promised the signal's reason. */
async function sleepUnlessAborted(
  delayMs: number,
  signal: AbortSignal | undefined,
  world: Pick<World, 'sleep'>,
): Promise<void> {
  try {
    await world.sleep(delayMs, signal)
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

/** The delay after a failure: as the server asks, and jitter on top, so that not all come back at once. */
function retryDelayMs(
  error: Error,
  attempt: number,
  options: RetryOptions,
  random: () => number,
): number {
  const { baseMs = 500, capMs = 60_000, retryAfterCapMs = 300_000 } = options
  const askedMs = Math.min(askedDelayMs(error), retryAfterCapMs)
  return askedMs + backoffDelayMs(attempt, random, { baseMs, capMs })
}

/** What a server has asked for by `Retry-After`; 0 for nothing. */
function askedDelayMs(error: Error): number {
  const asksForDelay = error instanceof QueueUnavailableError || error instanceof RateLimitedError
  return asksForDelay ? (error.retryAfterMs ?? 0) : 0
}

/**
 * Full jitter: evenly between 0 and `base * 2^(attempt - 1)`, that bound capped.
 *
 * @param attempt the attempt that failed, from 1.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoffDelayMs(
  attempt: number,
  random: () => number,
  { baseMs = 500, capMs = 60_000 }: { baseMs?: number; capMs?: number } = {},
): number {
  return Math.floor(random() * Math.min(capMs, baseMs * 2 ** (attempt - 1)))
}
