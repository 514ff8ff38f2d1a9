import type { Credentials } from '../protocol/messages/credentials.ts'
import type { World } from '../protocol/world.ts'
import { QueueUnreachableError } from '../protocol/zaqar/errors.ts'
import { judgeFailure } from '../protocol/zaqar/judge-failure.ts'
import { retry } from '../protocol/zaqar/retry.ts'
import type { CredentialsKeeper } from './enrol/credentials-keeper.ts'
import { describeError, type Log } from './log.ts'
import type { Lookout } from './network/lookout.ts'

/** What trying for ever needs. */
export interface PersistParts {
  keeper: CredentialsKeeper
  /** Ends a back-off when the network has come back. */
  lookout: Lookout
  world: World
  log: Log
}

/**
 * Does something at the queue service until it succeeds: an outage is waited out with full jitter, 60 s at most and anew
 * when the network comes back; a refusal asks for new credentials first. Even what looks hopeless is tried again: services and proxies get repaired, and an agent
 * that gives up is a lost guest.
 *
 * @param what completes "cannot ..." in a log line.
 * @param isFinal tells what the caller can do better about than to try the same again; by default nothing is.
 * @throws the signal's reason, and what is final.
 */
export async function persist<T>(
  what: string,
  attempt: () => Promise<T>,
  { keeper, lookout, world, log }: PersistParts,
  signal: AbortSignal,
  isFinal: (error: unknown) => boolean = () => false,
): Promise<T> {
  let used: Credentials = keeper.credentials()
  let mayRenew = true
  let hasFailed = false
  /** An answer such as 429 or 503 proves that the path works. */
  let cutMs: number | undefined
  const result = await retry(
    async () => {
      used = keeper.credentials()
      try {
        return await attempt()
      } catch (error) {
        // New credentials may be refused as well (a queue that is gone); then there is a pause between.
        if (!mayRenew || judgeFailure(error) !== 'new-credentials') throw error
        mayRenew = false
        log.warn(describeError(error), `cannot ${what}: asking for new credentials`)
        await keeper.renewed(used, signal)
        return await attempt()
      }
    },
    {
      signal,
      shouldRetry: (error) => !signal.aborted && !isFinal(error),
      untilBack: lookout.untilBack,
      onRetry: ({ error, attempt: count, delayMs }) => {
        mayRenew = true
        hasFailed = true
        if (error instanceof QueueUnreachableError) cutMs = world.monotonicMs()
        log.warn({ attempt: count, delayMs, ...describeError(error) }, `cannot ${what} yet`)
      },
    },
    world,
  )
  if (hasFailed) lookout.cameBack(cutMs)
  return result
}
