import type { World } from './world.ts'

/** When changes that were gathered go to the disk together. */
export interface FlushSchedule {
  /** In the next turn, not a microtask: those of one turn of the loop shall meet. */
  now: () => void
  /** With the next flush, and by itself after 50 ms: for what is only repeated when it is lost. */
  soon: () => void
  /** To be called by a flush as it begins: nothing is due any more. */
  begun: () => void
}

const soonMs = 50

export function scheduleFlushes(flush: () => void, world: Pick<World, 'sleep'>): FlushSchedule {
  let isDue = false
  let timer: AbortController | undefined
  return {
    now: () => {
      if (!isDue) setImmediate(flush)
      isDue = true
    },
    soon: () => {
      if (isDue || timer !== undefined) return
      timer = new AbortController()
      world.sleep(soonMs, timer.signal).then(flush, () => undefined)
    },
    begun: () => {
      isDue = false
      timer?.abort('flushed')
      timer = undefined
    },
  }
}
