import type { Sample } from './sample.ts'

export type Measure = Exclude<keyof Sample, 'atMs'>

/** How one measure of one program went. */
export interface Growth {
  /** Means of the second and of the last quarter of the run: the first one warms up. */
  start: number
  end: number
  /** By least squares over all but the first quarter. */
  perHour: number
  isWithin: boolean
}

/** Whether a program has grown by more than `bound` between the second and the last quarter of its samples. Pure. */
export function judgeGrowth(samples: readonly Sample[], measure: Measure, bound: number): Growth {
  const quarter = Math.max(1, Math.floor(samples.length / 4))
  const start = mean(samples.slice(quarter, 2 * quarter).map((sample) => sample[measure]))
  const end = mean(samples.slice(-quarter).map((sample) => sample[measure]))
  const perHour = slope(samples.slice(quarter), measure) * 3_600_000
  return { start, end, perHour, isWithin: end - start <= bound }
}

function slope(samples: readonly Sample[], measure: Measure): number {
  const meanMs = mean(samples.map(({ atMs }) => atMs))
  const meanValue = mean(samples.map((sample) => sample[measure]))
  let together = 0
  let alone = 0
  for (const sample of samples) {
    const fromMeanMs = sample.atMs - meanMs
    together += fromMeanMs * (sample[measure] - meanValue)
    alone += fromMeanMs ** 2
  }
  return alone === 0 ? 0 : together / alone
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
