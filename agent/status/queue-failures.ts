import type { World } from '../../protocol/world.ts'
import type { Status } from './status.ts'

type QueueFailure = Status['queueFailures'][number]

/** Remembers which requests to the queue service fail now. */
export interface QueueFailures {
  /** Told of each request that ended: `ok`, or an error's code. */
  note: (action: string, outcome: string) => void
  now: () => QueueFailure[]
}

/** Codes of outages, not of refusals: when any request gets through, these are over. */
const outages: ReadonlySet<string> = new Set([
  'ERR_QUEUE_UNREACHABLE',
  'ERR_QUEUE_UNAVAILABLE',
  'ERR_QUEUE_REPLY_UNPARSABLE',
])

/**
 * A claim that is held open tells nothing for minutes: that an outage is over is known by any other request, and that a
 * refusal is by new credentials.
 *
 * @param credentials those in use; other ones are another object.
 */
export function createQueueFailures(
  credentials: () => unknown,
  world: Pick<World, 'now'>,
): QueueFailures {
  const failures = new Map<string, QueueFailure & { refused: unknown }>()
  return {
    note: (action, outcome) => {
      if (outcome === 'ok') {
        for (const [failed, { code }] of failures) {
          if (failed === action || outages.has(code)) failures.delete(failed)
        }
        return
      }
      const since = failures.get(action)?.since ?? world.now()
      failures.set(action, { action, code: outcome, since, refused: credentials() })
    },
    now: () =>
      [...failures.values()]
        .filter(({ code, refused }) => outages.has(code) || refused === credentials())
        .map(({ action, code, since }) => ({ action, code, since })),
  }
}

/** For people. */
export function describeFailure({ action, code, since }: QueueFailure): string {
  return `${action} FAILS since ${since.toISOString()} (${code})`
}
