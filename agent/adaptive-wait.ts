import type { World } from '../protocol/world.ts'
import type { ClaimResult } from '../protocol/zaqar/claims.ts'
import { isRetryable } from '../protocol/zaqar/judge-failure.ts'

/** Chooses how long the claims of one path may be held, by what has become of those before. */
export interface AdaptiveWait {
  /** Asks with the wait that is right for this endpoint; another endpoint is a new beginning. Throws what `ask` throws. */
  claim: (
    endpoint: string,
    ask: (waitSeconds: number) => Promise<ClaimResult>,
  ) => Promise<ClaimResult>
}

/**
 * What is known of a path. Each wait that is answered in order allows one of twice its length. What cuts a request short,
 * such as a proxy with a time limit, sets a ceiling below that; it is tried again later, ever more rarely.
 */
interface WaitPace {
  seconds: number
  /** The longest wait that was answered in order since the last cut. */
  provenSeconds: number
  ceilingSeconds: number
  /** Until then the ceiling stands, on the monotonic clock. */
  ceilingUntilMs: number
  /** How long the next ceiling stands. */
  nextHoldMs: number
}

/** Nearly every path carries this. */
const firstSeconds = 30
/** So much of a wait is random, so that agents which booted together do not stay together. */
const jitter = 0.1
/** What fails sooner is an outage, a connection that did not come about included, and says nothing of waits. */
const shortestCutMs = 15_000
/** A request that failed so late after its end met silence; when the path was lost is not known then. */
const silenceMs = 15_000
/** No ceiling is lower: what is cut so soon is hardly a limit. */
const lowestCeilingSeconds = 15
const firstHoldMs = 600_000
const longestHoldMs = 86_400_000

/** @param longestSeconds no claim asks for more. */
export function createAdaptiveWait(
  longestSeconds: number,
  world: Pick<World, 'monotonicMs' | 'random'>,
): AdaptiveWait {
  let known: { endpoint: string; pace: WaitPace } | undefined
  return {
    claim: async (endpoint, ask) => {
      if (known?.endpoint !== endpoint) known = { endpoint, pace: firstPace(longestSeconds) }
      const path = known
      const askedSeconds = Math.ceil(path.pace.seconds * (1 - jitter * world.random()))
      const askedMs = world.monotonicMs()
      const outcome = () => ({ askedSeconds, tookMs: world.monotonicMs() - askedMs })
      try {
        const found = await ask(askedSeconds)
        path.pace = afterAnswer(path.pace, outcome(), longestSeconds, world.monotonicMs())
        return found
      } catch (error) {
        if (isRetryable(error)) path.pace = afterCut(path.pace, outcome(), world.monotonicMs())
        throw error
      }
    },
  }
}

function firstPace(longestSeconds: number): WaitPace {
  return {
    seconds: Math.min(firstSeconds, longestSeconds),
    provenSeconds: 0,
    ceilingSeconds: Number.POSITIVE_INFINITY,
    ceilingUntilMs: 0,
    nextHoldMs: firstHoldMs,
  }
}

interface Outcome {
  askedSeconds: number
  tookMs: number
}

/** An answer before its time, such as one that brings messages, proves nothing. */
function afterAnswer(
  pace: WaitPace,
  { askedSeconds, tookMs }: Outcome,
  longestSeconds: number,
  nowMs: number,
): WaitPace {
  if (tookMs < askedSeconds * 900) return pace
  const { seconds, ceilingSeconds, ceilingUntilMs, nextHoldMs } = pace
  const ceiling = nowMs < ceilingUntilMs ? Math.min(ceilingSeconds, longestSeconds) : longestSeconds
  return {
    seconds: Math.min(seconds * 2, ceiling),
    provenSeconds: Math.max(pace.provenSeconds, seconds),
    ceilingSeconds,
    ceilingUntilMs,
    nextHoldMs: seconds > ceilingSeconds ? firstHoldMs : nextHoldMs,
  }
}

function afterCut(pace: WaitPace, { askedSeconds, tookMs }: Outcome, nowMs: number): WaitPace {
  if (tookMs < shortestCutMs) return pace
  // Nearly every path carries so short a wait: a service that hangs fails after it, and only a limit before it.
  if (askedSeconds <= firstSeconds && tookMs > askedSeconds * 1000) return pace
  const heldSeconds = Math.min(tookMs / 1000, askedSeconds)
  const isSilence = tookMs > askedSeconds * 1000 + silenceMs
  const guess = Math.floor(isSilence ? heldSeconds / 2 : (heldSeconds * 5) / 6)
  const ceilingSeconds = Math.max(pace.provenSeconds, guess, lowestCeilingSeconds)
  // It climbs anew: what the path has carried so far may be true no more. One that has carried as much before had an
  // accident, such as a queue service that was started anew.
  const anew = { seconds: Math.min(firstSeconds, ceilingSeconds), provenSeconds: 0 }
  if (ceilingSeconds >= pace.seconds) return { ...pace, ...anew }
  return {
    ...anew,
    ceilingSeconds,
    ceilingUntilMs: nowMs + pace.nextHoldMs,
    nextHoldMs: Math.min(pace.nextHoldMs * 2, longestHoldMs),
  }
}
