import type { World } from '../../protocol/world.ts'

/** How many refusals are said aloud. Each is a message on the lobby, which every agent of the cluster reads through. */
export interface RefusalBudget {
  /** Whether one more may be said; one that may not is left unsaid, and its agent asks again. */
  take: (clusterId: string, code: string) => boolean
}

/** For each cluster and code, in a minute: whoever has user-data's URL can knock under fresh keys as often as he likes. */
const refusalsPerMinute = 10

/** Counts by the minute, as many as there are clusters and codes. */
export function createRefusalBudget({ monotonicMs }: Pick<World, 'monotonicMs'>): RefusalBudget {
  const minutes = new Map<string, { sinceMs: number; used: number }>()
  return {
    take: (clusterId, code) => {
      const place = `${clusterId} ${code}`
      const nowMs = monotonicMs()
      const found = minutes.get(place)
      const minute = found && nowMs - found.sinceMs < 60_000 ? found : { sinceMs: nowMs, used: 0 }
      minutes.set(place, minute)
      if (minute.used >= refusalsPerMinute) return false
      minute.used += 1
      return true
    },
  }
}
