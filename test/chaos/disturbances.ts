/** What may excuse a command's end other than the one that was planned. */
export type DisturbanceKind = 'agent-killed' | 'runner-killed' | 'rebooted' | 'disk-full'

interface Disturbance {
  kind: DisturbanceKind
  instance: number
  fromMs: number
  untilMs: number
}

/** Remembers what was done to each instance, and when. */
export interface Disturbances {
  /** Begins now; the returned function ends it. */
  begin: (kind: DisturbanceKind, instance: number) => () => void
  /** What was under way at some time since `sinceMs`. */
  since: (instance: number, sinceMs: number) => Set<DisturbanceKind>
}

/** @param nowMs a clock that never jumps. */
export function noteDisturbances(nowMs: () => number): Disturbances {
  const noted: Disturbance[] = []
  return {
    begin: (kind, instance) => {
      const one = { kind, instance, fromMs: nowMs(), untilMs: Number.POSITIVE_INFINITY }
      noted.push(one)
      return () => {
        one.untilMs = nowMs()
      }
    },
    since: (instance, sinceMs) =>
      new Set(
        noted
          .filter((one) => one.instance === instance && one.untilMs >= sinceMs)
          .map(({ kind }) => kind),
      ),
  }
}
