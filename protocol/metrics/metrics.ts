/** Labels of one series; their names are the metric's, their values few. */
export type Labels = Readonly<Record<string, string>>

export interface Sample {
  labels: Labels
  value: number
}

/** Numbers about a running program, to be scraped. */
export interface Metrics {
  /** A number that only grows. Its name ends with `_total`. */
  counter: (name: string, help: string) => (labels?: Labels, by?: number) => void
  /** A number that is looked up when it is asked for; one that stands still at zero is one too. */
  gauge: (name: string, help: string, read: () => number | readonly Sample[]) => void
  /** The same for what grows elsewhere. */
  counterOf: (name: string, help: string, read: () => number | readonly Sample[]) => void
  /** How values are spread; `bounds` are the buckets' upper ends, ascending. */
  histogram: (
    name: string,
    help: string,
    bounds: readonly number[],
  ) => (value: number, labels?: Labels) => void
  /** All of it in Prometheus' text format. */
  render: () => string
}

/** Series of one metric; what comes beyond is counted together as "other", so that a hostile peer cannot fill the memory. */
const seriesLimit = 100

/** @see https://prometheus.io/docs/instrumenting/exposition_formats/ (text format, version 0.0.4) */
export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8'

export function createMetrics(): Metrics {
  const families = new Map<string, () => string[]>()
  const add = (name: string, help: string, type: string, lines: () => string[]) => {
    if (families.has(name)) throw new TypeError(`the metric ${name} is there already`)
    const head = [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`]
    families.set(name, () => [...head, ...lines()])
  }
  const lookedUp =
    (type: string) => (name: string, help: string, read: () => number | readonly Sample[]) => {
      add(name, help, type, () => {
        const found = read()
        const samples = typeof found === 'number' ? [{ labels: {}, value: found }] : found
        return samples.map(({ labels, value }) => writeSample(name, labels, value))
      })
    }
  return {
    counter: (name, help) => {
      const series = createSeries(() => ({ value: 0 }))
      add(name, help, 'counter', () =>
        series.all().map(({ labels, state }) => writeSample(name, labels, state.value)),
      )
      return (labels = {}, by = 1) => {
        series.of(labels).value += by
      }
    },
    gauge: lookedUp('gauge'),
    counterOf: lookedUp('counter'),
    histogram: (name, help, bounds) => {
      const series = createSeries(() => ({ counts: bounds.map(() => 0), count: 0, sum: 0 }))
      add(name, help, 'histogram', () =>
        series.all().flatMap(({ labels, state }) => writeHistogram(name, labels, bounds, state)),
      )
      return (value, labels = {}) => {
        const state = series.of(labels)
        state.count += 1
        state.sum += value
        for (const [index, bound] of bounds.entries()) {
          if (value <= bound) state.counts[index] = (state.counts[index] ?? 0) + 1
        }
      }
    },
    render: () => [...families.values()].map((lines) => `${lines().join('\n')}\n`).join(''),
  }
}

interface Series<T> {
  of: (labels: Labels) => T
  all: () => { labels: Labels; state: T }[]
}

function createSeries<T>(make: () => T): Series<T> {
  const known = new Map<string, { labels: Labels; state: T }>()
  const find = (labels: Labels) => {
    const key = JSON.stringify(Object.entries(labels))
    const found = known.get(key)
    if (found) return found
    if (known.size >= seriesLimit) return undefined
    const made = { labels, state: make() }
    known.set(key, made)
    return made
  }
  const overflow = new Map<string, { labels: Labels; state: T }>()
  return {
    of: (labels) => {
      const found = find(labels)
      if (found) return found.state
      const other = Object.fromEntries(Object.keys(labels).map((name) => [name, 'other']))
      const key = Object.keys(labels).join()
      const kept = overflow.get(key) ?? { labels: other, state: make() }
      overflow.set(key, kept)
      return kept.state
    },
    all: () => [...known.values(), ...overflow.values()],
  }
}

function writeHistogram(
  name: string,
  labels: Labels,
  bounds: readonly number[],
  { counts, count, sum }: { counts: readonly number[]; count: number; sum: number },
): string[] {
  return [
    ...bounds.map((bound, index) =>
      writeSample(`${name}_bucket`, { ...labels, le: String(bound) }, counts[index] ?? 0),
    ),
    writeSample(`${name}_bucket`, { ...labels, le: '+Inf' }, count),
    writeSample(`${name}_sum`, labels, sum),
    writeSample(`${name}_count`, labels, count),
  ]
}

function writeSample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`)
  const number = Number.isFinite(value)
    ? String(value)
    : value > 0
      ? '+Inf'
      : value < 0
        ? '-Inf'
        : 'NaN'
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${number}`
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"')
}
