import { abortable } from '../../protocol/abortable.ts'
import type { World } from '../../protocol/world.ts'

/** The queue service's clock, as far as its answers tell. Used for deadlines only: a guest's own clock may be wrong. */
export interface ServerClock {
  /** The server's time; the guest's own before the first answer. Never before the floor. */
  now: () => Date
  /** Whether the server has answered since this process began: the guest's own clock may be days off before. */
  isKnown: () => boolean
  /** Resolves as soon as it has; rejects when `signal` is aborted. */
  untilKnown: (signal: AbortSignal) => Promise<void>
  /** Learns from the `Date` of an answer that has just come, which tells whole seconds; without one, the guest's clock has to do. */
  learn: (serverTime: Date | undefined) => void
  /**
   * Learns from an authentic command when it was issued. The queue service signs nothing: one that turns its `Date` back, to
   * have an old command taken for new, does not get below this.
   */
  learnIssued: (issuedAt: Date) => void
  /** Guest clock minus server clock, in milliseconds; 0 before the first answer. */
  offsetMs: () => number
  /**
   * Resolves at a moment of the server's clock, at once when it has passed, but not before the server has answered: what is
   * decided by it would be decided by a clock that may be wrong. Rejects when `signal` is aborted.
   */
  sleepUntil: (moment: Date, signal: AbortSignal) => Promise<void>
}

/**
 * What is known: the server's clock minus our monotonic one lies between `lowMs` and `highMs`. The monotonic clock is the
 * base because the guest's wall clock may jump.
 */
export interface OffsetBounds {
  lowMs: number
  highMs: number
  /** When this was known, by the monotonic clock. */
  atMs: number
}

/** How long an answer may have been under way, at most, in milliseconds; a longer way only makes the clock late by as much. */
const travelMs = 500
/** How far two clocks may drift apart, in milliseconds per millisecond: 200 parts in a million. */
const driftRate = 0.0002
/** Timers of Node end at 2^31 milliseconds, and what we know of the server's clock changes. */
const longestSleepMs = 3_600_000

/** A controller's clock that is ahead of both others may lift the floor by this, in milliseconds; see `boundFloor`. */
const aheadLimitMs = 300_000

/** What is remembered of a clock over restarts: it is certainly not earlier than this. */
export interface ClockFloor {
  clockFloor: () => Date
  raiseClockFloor: (moment: Date) => void
}

/** A server clock over the world's clocks. */
export function createServerClock(
  world: Pick<World, 'now' | 'monotonicMs' | 'sleep'>,
  { clockFloor, raiseClockFloor }: ClockFloor = keptInMemory(),
): ServerClock {
  let bounds: OffsetBounds | undefined
  let isKnown = false
  const answered = Promise.withResolvers<void>()
  const untilKnown = async (signal: AbortSignal): Promise<void> => {
    if (!isKnown) await abortable(answered.promise, signal)
  }
  const told = () =>
    bounds ? new Date(world.monotonicMs() + (bounds.lowMs + bounds.highMs) / 2) : world.now()
  const now = () => later(told(), clockFloor())
  return {
    now,
    isKnown: () => isKnown,
    untilKnown,
    learn: (serverTime) => {
      if (serverTime) bounds = narrowBounds(bounds, serverTime, world.monotonicMs())
      isKnown = true
      answered.resolve()
    },
    learnIssued: (issuedAt) => raiseClockFloor(boundFloor(issuedAt, told(), world.now())),
    offsetMs: () => (bounds ? world.now().getTime() - told().getTime() : 0),
    sleepUntil: async (moment, signal) => {
      await untilKnown(signal)
      for (let left = leftMs(moment, now()); left > 0; left = leftMs(moment, now())) {
        await world.sleep(Math.min(left, longestSleepMs), signal)
      }
      signal.throwIfAborted()
    },
  }
}

/**
 * Narrows what is known by one more answer. `Date` is cut to whole seconds, so that many answers together tell more than
 * one. When they contradict each other, a clock has jumped (or the guest was suspended), and only the newest counts. Pure.
 */
export function narrowBounds(
  known: OffsetBounds | undefined,
  serverTime: Date,
  atMs: number,
): OffsetBounds {
  const lowMs = serverTime.getTime() - atMs
  const fresh = { lowMs, highMs: lowMs + 999 + travelMs, atMs }
  if (!known) return fresh
  const drift = Math.max(0, atMs - known.atMs) * driftRate
  const low = Math.max(fresh.lowMs, known.lowMs - drift)
  const high = Math.min(fresh.highMs, known.highMs + drift)
  return low <= high ? { lowMs: low, highMs: high, atMs } : fresh
}

/**
 * How high a command's `issuedAt` lifts the floor. A controller whose clock was wrong must not lock itself out: what no other
 * clock confirms counts for five minutes only. The guest's own clock confirms as well as the queue's, or else a queue
 * service that stops its `Date` would keep the floor down, too. Pure.
 */
export function boundFloor(issuedAt: Date, told: Date, guest: Date): Date {
  const confirmedMs = later(told, guest).getTime()
  return new Date(Math.min(issuedAt.getTime(), confirmedMs + aheadLimitMs))
}

function keptInMemory(): ClockFloor {
  let floor = new Date(0)
  return {
    clockFloor: () => floor,
    raiseClockFloor: (moment) => {
      floor = later(floor, moment)
    },
  }
}

function later(one: Date, other: Date): Date {
  return one < other ? other : one
}

function leftMs(moment: Date, now: Date): number {
  return Math.ceil(moment.getTime() - now.getTime())
}
