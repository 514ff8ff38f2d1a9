/** What many samples of one thing come to, in the samples' own unit. */
export interface Summary {
  count: number
  median: number
  p95: number
  min: number
  max: number
}

/** @throws {RangeError} there are no samples: nothing may be said then, zero least of all. */
export function summarize(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new RangeError('there are no samples to summarize')
  const sorted = samples.toSorted((one, other) => one - other)
  return {
    count: sorted.length,
    median: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    min: quantile(sorted, 0),
    max: quantile(sorted, 1),
  }
}

/** Between two samples it is interpolated linearly (type 7 of Hyndman and Fan, as NumPy and R do by default). */
function quantile(sorted: readonly number[], fraction: number): number {
  const position = (sorted.length - 1) * fraction
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position - Math.floor(position))
}
