/** Ends are rounded up to this, so that thousands of waits share a few moments. */
const tickMs = 100
/** A longer wait ends later by this part of it at most, and so shares its moment with more of them. */
const longestDelay = 1 / 300

/** Who waits until when, on the monotonic clock. Adding and removing cost the same for one and for 10,000. */
export class WaitEnds<Waiter> {
  readonly #ticks = new Map<number, Set<Waiter>>()

  /** @returns the tick under which to remove it. */
  add(waiter: Waiter, endMs: number, nowMs: number): number {
    const step = Math.max(1, Math.floor(((endMs - nowMs) * longestDelay) / tickMs))
    const tick = Math.ceil(endMs / tickMs / step) * step
    const waiters = this.#ticks.get(tick)
    if (waiters === undefined) this.#ticks.set(tick, new Set([waiter]))
    else waiters.add(waiter)
    return tick
  }

  remove(waiter: Waiter, tick: number): void {
    const waiters = this.#ticks.get(tick)
    if (waiters?.delete(waiter) && waiters.size === 0) this.#ticks.delete(tick)
  }

  /** When the first wait ends; infinity when there is none. At most as many ticks as the longest wait has. */
  earliestMs(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const tick of this.#ticks.keys()) earliest = Math.min(earliest, tick)
    return earliest * tickMs
  }

  /** Those whose time is over; the caller removes them. */
  ended(nowMs: number): Waiter[] {
    const ended: Waiter[] = []
    for (const [tick, waiters] of this.#ticks) {
      if (tick * tickMs <= nowMs) ended.push(...waiters)
    }
    return ended
  }
}
