/** A command's place in its lane. */
export interface Place {
  /** Takes the turn if it is free right now. */
  tryTurn: () => boolean
  /** Takes the turn in any case: the command runs already. */
  forceTurn: () => void
  /** Waits for the turn: first in its lane, and fewer commands run than may. Rejects when `signal` is aborted. */
  turn: (signal: AbortSignal) => Promise<void>
  /** Gives the turn, or the place in the row, to the next. Safe to call twice. */
  leave: () => void
}

/** Runs a bounded number of commands at once, and those of one lane one after the other, in the order they came. */
export interface Lanes {
  /** Takes the last place in a lane; without a name, in a lane of its own. */
  join: (lane?: string) => Place
  /** More may run at once than before. */
  look: () => void
  /** Commands that have the turn. */
  runningCount: () => number
}

interface Waiting {
  place: object
  lane: object[]
  start: () => void
}

/** @param concurrency how many may run at once, at this moment. */
export function createLanes(concurrency: () => number): Lanes {
  const lanes = new Map<string, object[]>()
  const running = new Set<object>()
  const waiting = new Set<Waiting>()

  const isFree = (place: object, lane: readonly object[]) =>
    running.size < concurrency() && lane[0] === place
  const startNext = () => {
    for (const next of waiting) {
      if (running.size >= concurrency()) return
      if (!isFree(next.place, next.lane)) continue
      waiting.delete(next)
      running.add(next.place)
      next.start()
    }
  }

  return {
    look: startNext,
    runningCount: () => running.size,
    join: (name) => {
      const place = {}
      const lane = (name === undefined ? undefined : lanes.get(name)) ?? []
      lane.push(place)
      if (name !== undefined) lanes.set(name, lane)
      const tryTurn = () => {
        if (running.has(place)) return true
        if (!isFree(place, lane)) return false
        running.add(place)
        return true
      }
      return {
        tryTurn,
        forceTurn: () => running.add(place),
        turn: async (signal) => {
          signal.throwIfAborted()
          if (tryTurn()) return
          const { promise, resolve, reject } = Promise.withResolvers<void>()
          const entry = { place, lane, start: resolve }
          const onAbort = () => {
            waiting.delete(entry)
            reject(signal.reason)
          }
          waiting.add(entry)
          signal.addEventListener('abort', onAbort, { once: true })
          await promise.finally(() => signal.removeEventListener('abort', onAbort))
        },
        leave: () => {
          const index = lane.indexOf(place)
          if (index === -1) return
          lane.splice(index, 1)
          running.delete(place)
          if (name !== undefined && lane.length === 0) lanes.delete(name)
          startNext()
        },
      }
    },
  }
}
