import type { World } from '../../protocol/world.ts'

/** The longest sleep; a wall clock that jumped meanwhile is noticed then. */
const longestMs = 30_000

/** One timer for any number of moments: it rings at the earliest that was asked for, once. */
export class Alarm implements Disposable {
  readonly #world: World
  readonly #ring: () => void
  #dueMs = Number.POSITIVE_INFINITY
  #cancel = new AbortController()
  #isOver = false

  constructor(world: World, ring: () => void) {
    this.#world = world
    this.#ring = ring
  }

  /** Asks to be rung at this point of the monotonic clock, or earlier. */
  setFor(dueMs: number): void {
    const wantedMs = Math.min(dueMs, this.#world.monotonicMs() + longestMs)
    if (this.#isOver || wantedMs >= this.#dueMs) return
    this.#dueMs = wantedMs
    // A reason of our own: the default one is an error with a stack trace, for nobody.
    this.#cancel.abort('another moment')
    this.#cancel = new AbortController()
    void this.#sleep(wantedMs, this.#cancel.signal)
  }

  async #sleep(dueMs: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#world.sleep(Math.max(0, dueMs - this.#world.monotonicMs()), signal)
    } catch {
      return
    }
    if (signal.aborted) return
    this.#dueMs = Number.POSITIVE_INFINITY
    this.#ring()
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#cancel.abort()
  }
}
