import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { World } from '../protocol/world.ts'

/** A world whose clocks stand still until a test moves them, and whose randomness comes from a seed. */
export interface FakeWorld extends World {
  /**
   * Moves both clocks by `ms`, waking each sleeper at its own moment, the earliest first. A sleeper
   * that sleeps again within the span is woken again.
   */
  advance: (ms: number) => Promise<void>
  /** Jumps the wall clock only, as an operator or NTP does; wakes nobody. */
  setNow: (now: Date) => void
  /** How many sleeps are under way. */
  sleeperCount: () => number
  /** Resolves as soon as at least `count` sleeps are under way. */
  untilSleeping: (count?: number) => Promise<void>
}

interface Sleeper {
  dueMs: number
  wake: () => void
}

/** Begins at `start`; the same `seed` gives the same numbers and bytes. */
export function fakeWorld(start: Date = new Date('2030-01-01T00:00:00Z'), seed = 1): FakeWorld {
  let monotonicMs = 0
  let wallMs = start.getTime()
  const sleepers = new Set<Sleeper>()
  const watchers = new Set<() => void>()
  const bytes = seededBytes(seed)

  const moveTo = (ms: number) => {
    wallMs += ms - monotonicMs
    monotonicMs = ms
  }
  const earliest = () => [...sleepers].toSorted((a, b) => a.dueMs - b.dueMs).at(0)

  return {
    now: () => new Date(wallMs),
    monotonicMs: () => monotonicMs,
    random: () => Buffer.from(bytes(4)).readUInt32BE() / 2 ** 32,
    randomBytes: bytes,
    setNow: (now) => {
      wallMs = now.getTime()
    },
    sleeperCount: () => sleepers.size,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const sleeper = { dueMs: monotonicMs + Math.max(0, ms), wake: resolve }
      // Node's own timers reject with an AbortError, whatever the reason; so does the real world.
      const onAbort = () =>
        reject(new DOMException('The operation was aborted', { name: 'AbortError' }))
      sleepers.add(sleeper)
      signal?.addEventListener('abort', onAbort, { once: true })
      for (const watcher of watchers) watcher()
      try {
        await promise
      } finally {
        sleepers.delete(sleeper)
        signal?.removeEventListener('abort', onAbort)
      }
    },
    advance: async (ms) => {
      const endMs = monotonicMs + ms
      await nextTurn()
      for (let next = earliest(); next && next.dueMs <= endMs; next = earliest()) {
        moveTo(Math.max(monotonicMs, next.dueMs))
        sleepers.delete(next)
        next.wake()
        await nextTurn()
      }
      moveTo(endMs)
    },
    untilSleeping: async (count = 1) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const watcher = () => {
        if (sleepers.size >= count) resolve()
      }
      watchers.add(watcher)
      watcher()
      await promise
      watchers.delete(watcher)
    },
  }
}

/** SHA-256 over a seed and a counter: as even as tests need, and the same on every run. */
function seededBytes(seed: number): (size: number) => Uint8Array {
  let counter = 0
  return (size) => {
    const chunks: Buffer[] = []
    for (let filled = 0; filled < size; filled += 32) {
      chunks.push(createHash('sha256').update(`${seed}:${counter}`).digest())
      counter += 1
    }
    return Buffer.concat(chunks).subarray(0, size)
  }
}
