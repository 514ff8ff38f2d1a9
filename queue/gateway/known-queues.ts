import type { World } from '../../protocol/world.ts'

interface KnownQueue {
  /** Until when nothing is expected there, on the monotonic clock, for each signed URL that the queue service let in. */
  quietUntilMs: Map<string, number>
  /** When what was claimed last comes back, unless it is deleted before; nothing announces that. */
  comeBackMs: number
  /** Announcements that may still bring nothing before we get slower. */
  credit: number
  creditAtMs: number
}

/** Before and after a renewal an instance has two signed URLs for one queue. */
const urlsLimit = 4
const fullCredit = 4
const creditEveryMs = 10_000
/** Zaqar counts whole seconds; a claim's end is sure so much later. */
const roundingMs = 1500

/**
 * What the gateway has seen of queues, so that an agent's next request is not forwarded in vain. All of it may be lost at
 * any time, which costs one request for each queue. Only what the queue service has let in is remembered.
 */
export class KnownQueues {
  readonly #queues = new Map<string, KnownQueue>()
  readonly #world: World
  readonly #lookAgainMs: number
  readonly #limit: number

  constructor(world: World, { lookAgainMs, limit }: { lookAgainMs: number; limit: number }) {
    this.#world = world
    this.#lookAgainMs = lookAgainMs
    this.#limit = limit
  }

  /** When the next look is due, on the monotonic clock; 0 for who has not been let in lately. */
  lookDueMs(queue: string, url: string): number {
    return this.#queues.get(queue)?.quietUntilMs.get(url) ?? 0
  }

  /** The queue service said that there is nothing to claim. */
  noteEmpty(queue: string, url: string): void {
    const known = this.#touch(queue)
    const nowMs = this.#world.monotonicMs()
    // Spread, so that agents that came together do not stay together.
    const againMs = nowMs + this.#lookAgainMs * (0.75 + this.#world.random() / 4)
    const isPending = known.comeBackMs > nowMs
    known.quietUntilMs.set(url, isPending ? Math.min(againMs, known.comeBackMs) : againMs)
    dropOldest(known.quietUntilMs, urlsLimit)
  }

  /** Messages were claimed: there may be more, and these come back unless they are deleted. */
  noteClaimed(queue: string, url: string, ttlSeconds: number): void {
    const known = this.#touch(queue)
    known.quietUntilMs.delete(url)
    known.credit = fullCredit
    known.comeBackMs = this.#world.monotonicMs() + ttlSeconds * 1000 + roundingMs
  }

  /** Something may have come. */
  noteAnnounced(queue: string): void {
    this.#queues.get(queue)?.quietUntilMs.clear()
  }

  /** False when too many announcements of this queue have brought nothing lately. */
  takeCredit(queue: string): boolean {
    const known = this.#queues.get(queue)
    if (known === undefined) return true
    const nowMs = this.#world.monotonicMs()
    const earned = Math.floor((nowMs - known.creditAtMs) / creditEveryMs)
    known.credit = Math.min(fullCredit, known.credit + earned)
    known.creditAtMs += earned * creditEveryMs
    if (known.credit === 0) return false
    known.credit -= 1
    return true
  }

  #touch(queue: string): KnownQueue {
    const known = this.#queues.get(queue) ?? {
      quietUntilMs: new Map(),
      comeBackMs: 0,
      credit: fullCredit,
      creditAtMs: this.#world.monotonicMs(),
    }
    this.#queues.delete(queue)
    this.#queues.set(queue, known)
    dropOldest(this.#queues, this.#limit)
    return known
  }
}

function dropOldest(entries: Map<string, unknown>, limit: number): void {
  for (const key of entries.keys()) {
    if (entries.size <= limit) return
    entries.delete(key)
  }
}
