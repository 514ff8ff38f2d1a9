import type { World } from '../../protocol/world.ts'
import { Alarm } from '../waiting/alarm.ts'
import { WaitEnds } from '../waiting/wait-ends.ts'

/** Why a wait is over. */
export type WaitEnd = 'announced' | 'time' | 'left' | 'closed'

/** One held request, from before its first look until it is answered. */
export interface Visit extends Disposable {
  /** Resolves when the queue is announced (also if it was since the last call), or at `endMs` of the monotonic clock. */
  next: (endMs: number) => Promise<WaitEnd>
  /** Its client has gone. */
  leave: () => void
  /** Whether no other request came for this queue since. An older one may be of a connection that died silently. */
  isNewest: () => boolean
  /** Whether the client has gone, or the gateway closes. */
  isOver: () => boolean
  /** Aborted then. Made when it is asked for: a signal for each of thousands who wait would be a third of what they take. */
  over: () => AbortSignal
}

interface Waiter {
  isAnnounced: boolean
  wait: { tick: number; settle: (end: WaitEnd) => void } | undefined
  isOver: boolean
  abort: AbortController | undefined
}

/** Holds requests without a timer or a poll for any of them; a notification wakes those of its queue, and no others. */
export class WaitingAgents implements Disposable {
  readonly #world: World
  readonly #maxWaiting: number
  readonly #queues = new Map<string, Set<Waiter>>()
  readonly #ends = new WaitEnds<Waiter>()
  readonly #alarm: Alarm
  #size = 0
  #isClosed = false

  constructor(world: World, maxWaiting: number) {
    this.#world = world
    this.#maxWaiting = maxWaiting
    this.#alarm = new Alarm(world, () => this.#onAlarm())
  }

  get size(): number {
    return this.#size
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Full or closing: whoever comes is to be answered at once. */
  get isFull(): boolean {
    return this.#isClosed || this.#size >= this.#maxWaiting
  }

  /** From here on no announcement of this queue is missed, until the visit is disposed of. */
  enter(queue: string): Visit {
    const waiter: Waiter = {
      isAnnounced: false,
      wait: undefined,
      isOver: false,
      abort: undefined,
    }
    const waiters = this.#queues.get(queue)
    if (waiters === undefined) this.#queues.set(queue, new Set([waiter]))
    else waiters.add(waiter)
    this.#size += 1
    return {
      next: async (endMs) => this.#wait(waiter, endMs),
      leave: () => {
        this.#end(waiter, 'left')
      },
      isNewest: () => [...(this.#queues.get(queue) ?? [])].at(-1) === waiter,
      isOver: () => waiter.isOver,
      over: () => {
        waiter.abort ??= new AbortController()
        if (waiter.isOver) waiter.abort.abort()
        return waiter.abort.signal
      },
      [Symbol.dispose]: () => this.#remove(queue, waiter),
    }
  }

  /** Something may have come to this queue. */
  announce(queue: string): void {
    for (const waiter of this.#queues.get(queue) ?? []) {
      waiter.isAnnounced = true
      this.#settle(waiter, 'announced')
    }
  }

  async #wait(waiter: Waiter, endMs: number): Promise<WaitEnd> {
    if (waiter.isOver) return this.#isClosed ? 'closed' : 'left'
    if (!waiter.isAnnounced) {
      const { promise, resolve } = Promise.withResolvers<WaitEnd>()
      waiter.wait = {
        tick: this.#ends.add(waiter, endMs, this.#world.monotonicMs()),
        settle: resolve,
      }
      this.#alarm.setFor(endMs)
      const end = await promise
      if (end !== 'announced') return end
    }
    waiter.isAnnounced = false
    return 'announced'
  }

  #settle(waiter: Waiter, end: WaitEnd): void {
    const { wait } = waiter
    if (wait === undefined) return
    waiter.wait = undefined
    this.#ends.remove(waiter, wait.tick)
    wait.settle(end)
  }

  #end(waiter: Waiter, end: 'left' | 'closed'): void {
    waiter.isOver = true
    waiter.abort?.abort()
    this.#settle(waiter, end)
  }

  #remove(queue: string, waiter: Waiter): void {
    const waiters = this.#queues.get(queue)
    if (!waiters?.delete(waiter)) return
    this.#size -= 1
    if (waiters.size === 0) this.#queues.delete(queue)
    this.#settle(waiter, 'left')
  }

  #onAlarm(): void {
    for (const waiter of this.#ends.ended(this.#world.monotonicMs())) this.#settle(waiter, 'time')
    const earliestMs = this.#ends.earliestMs()
    if (earliestMs < Number.POSITIVE_INFINITY) this.#alarm.setFor(earliestMs)
  }

  /** Ends every wait, and holds nobody any more. */
  [Symbol.dispose](): void {
    this.#isClosed = true
    this.#alarm[Symbol.dispose]()
    for (const waiter of [...this.#queues.values()].flatMap((waiters) => [...waiters])) {
      this.#end(waiter, 'closed')
    }
  }
}
