import type { World } from '../../protocol/world.ts'
import type { Store } from '../store/open-store.ts'
import type { QueueName } from '../store/queues.ts'
import { Alarm } from './alarm.ts'
import { WaitEnds } from './wait-ends.ts'

/** A request that is held until there is something for it. */
export interface WaitRequest<Found> {
  queue: QueueName
  waitSeconds: number
  /** Whether what it finds is taken from the others (a claim); a look leaves it for all. */
  takes: boolean
  /** Tries again; undefined when there is still nothing. Runs synchronously. */
  attempt: () => Found | undefined
  /** Whether its client has gone away; nothing may be claimed for it then. */
  isGone: () => boolean
}

interface Waiter<Found> extends WaitRequest<Found> {
  tick: number
  settle: (found: Promise<Found | undefined> | undefined) => void
}

/**
 * Holds requests without a thread, a timer or a poll for any of them. They are tried again, the
 * newest first, when their queue got free messages: within the transaction that freed them, so that
 * a post and the claims it satisfies share one flush. One message wakes one taker. Of an agent whose
 * connection died silently an older request may still wait here: what it took would be gone until its claim ends.
 */
export class WaitingRoom<Found> implements Disposable {
  readonly #store: Store
  readonly #world: World
  readonly #maxWaiting: number
  readonly #queues = new Map<string, Set<Waiter<Found>>>()
  readonly #ends = new WaitEnds<Waiter<Found>>()
  readonly #alarm: Alarm
  #size = 0
  #isClosed = false

  constructor(store: Store, world: World, maxWaiting: number) {
    this.#store = store
    this.#world = world
    this.#maxWaiting = maxWaiting
    this.#alarm = new Alarm(world, () => this.#onAlarm())
    store.beforeCommit(() => {
      this.serve()
      this.#schedule()
    })
  }

  get size(): number {
    return this.#size
  }

  /** Set for good by disposing of the room. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Full or closing: whoever comes is to be answered at once. */
  get isFull(): boolean {
    return this.#isClosed || this.#size >= this.#maxWaiting
  }

  /**
   * Holds a request whose first attempt found nothing.
   *
   * @returns `found`, which resolves to undefined at the end of the wait; and `leave`, to be called when the client goes.
   */
  hold(request: WaitRequest<Found>): { found: Promise<Found | undefined>; leave: () => void } {
    const { promise, resolve } = Promise.withResolvers<Found | undefined>()
    const waiter: Waiter<Found> = { ...request, tick: 0, settle: resolve }
    const nowMs = this.#world.monotonicMs()
    const endMs = nowMs + request.waitSeconds * 1000
    waiter.tick = this.#ends.add(waiter, endMs, nowMs)
    const key = keyOf(request)
    const queue = this.#queues.get(key)
    if (queue === undefined) this.#queues.set(key, new Set([waiter]))
    else queue.add(waiter)
    this.#size += 1
    this.#alarm.setFor(endMs)
    this.#schedule()
    return { found: promise, leave: () => this.#dismiss(waiter, undefined) }
  }

  /** Gives newly freed messages to those who waited for them before anyone who comes now. */
  serve(): void {
    while (this.#store.hasFreed()) {
      for (const name of this.#store.takeFreed()) {
        // Who only looks comes first: a message that is taken at once was there to be seen.
        for (const waiter of this.#waitersOf(name, false)) this.#tryAgain(waiter)
        for (const waiter of this.#waitersOf(name, true).toReversed()) {
          // Nothing left for one taker is nothing left for those behind it.
          if (!this.#tryAgain(waiter)) break
        }
      }
    }
  }

  #waitersOf(queue: QueueName, takes: boolean): Waiter<Found>[] {
    return [...(this.#queues.get(keyOf({ queue, takes })) ?? [])]
  }

  /** @returns whether the waiter is done. */
  #tryAgain(waiter: Waiter<Found>): boolean {
    if (waiter.isGone()) {
      this.#dismiss(waiter, undefined)
      return true
    }
    try {
      const found = waiter.attempt()
      if (found === undefined) return false
      this.#dismiss(
        waiter,
        this.#store.flushed().then(() => found),
      )
    } catch (error) {
      this.#dismiss(waiter, Promise.reject(error))
    }
    return true
  }

  #dismiss(waiter: Waiter<Found>, found: Promise<Found | undefined> | undefined): void {
    const key = keyOf(waiter)
    const queue = this.#queues.get(key)
    if (queue?.delete(waiter)) {
      this.#size -= 1
      if (queue.size === 0) this.#queues.delete(key)
      this.#ends.remove(waiter, waiter.tick)
    }
    waiter.settle(found)
  }

  #onAlarm(): void {
    for (const waiter of this.#ends.ended(this.#world.monotonicMs())) {
      this.#dismiss(waiter, undefined)
    }
    if (this.#size === 0) return
    this.#alarm.setFor(this.#ends.earliestMs())
    try {
      // Frees what is due; whoever waited for it is served before that commit.
      this.#store.look(() => {})
    } catch {
      // The database is out of order: requests say so; here it is tried again in a second.
      this.#alarm.setFor(this.#world.monotonicMs() + 1000)
      return
    }
    this.#schedule()
  }

  /** While anybody waits, time is watched for claims and delays that end. */
  #schedule(): void {
    if (this.#size === 0) return
    const inMs = this.#store.due.nextRelease - this.#world.now().getTime()
    this.#alarm.setFor(this.#world.monotonicMs() + Math.max(1, inMs))
  }

  /** Answers everybody with nothing, and holds nobody any more. */
  [Symbol.dispose](): void {
    this.#isClosed = true
    this.#alarm[Symbol.dispose]()
    for (const queue of this.#queues.values()) {
      for (const waiter of queue) this.#dismiss(waiter, undefined)
    }
  }
}

/** Takers and those who only look wait in lines of their own. Neither a header nor a name can hold a NUL. */
function keyOf({ queue, takes }: Pick<WaitRequest<unknown>, 'queue' | 'takes'>): string {
  return `${queue.project}\0${queue.name}\0${takes}`
}
