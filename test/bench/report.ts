import { type Summary, summarize } from './summarize.ts'

/** What one benchmark found. Rows with the same `what` and `unit` are compared with the first of them. */
export interface Report {
  name: string
  rows: Row[]
  /** Sides that could not be measured here, and why. */
  skipped: Skipped[]
  /** What a reader must know to read the figures rightly. */
  notes: string[]
}

export interface Row extends Summary {
  what: string
  side: string
  unit: Unit
  /** This side's median divided by that of the first side of the same `what`; null where that one failed. */
  ratio: number | null
}

export interface Skipped {
  side: string
  reason: string
}

/** Less is better for `ms` and `MiB`, more for the rates. */
export type Unit = 'ms' | 'MiB' | 'MiB/s' | '1/s'

export function emptyReport(name: string): Report {
  return { name, rows: [], skipped: [], notes: [] }
}

/** Adds a row for each side that has samples; the first one is what the others are compared with, if it has any. */
export function addRows(
  report: Report,
  what: string,
  unit: Unit,
  samplesOfSides: ReadonlyMap<string, readonly number[]>,
): void {
  const [first = []] = samplesOfSides.values()
  const reference = first.length === 0 ? undefined : summarize(first).median
  for (const [side, samples] of samplesOfSides) {
    if (samples.length === 0) continue
    const summary = summarize(samples)
    const ratio = reference === undefined ? null : summary.median / reference
    report.rows.push({ what, side, unit, ...summary, ratio })
  }
}

/** As Markdown, so that it can go into docs/performance.md as it is. */
export function renderReport({ name, rows, skipped, notes }: Report): string {
  const head = ['what', 'side', 'median', 'p95', 'ratio', 'samples']
  const cells = rows.map((row) => [
    row.what,
    row.side,
    `${show(row.median)} ${row.unit}`,
    `${show(row.p95)} ${row.unit}`,
    row.ratio === null ? '-' : `${show(row.ratio)} ×`,
    String(row.count),
  ])
  const table = [head, head.map(() => '---'), ...cells].map((line) => `| ${line.join(' | ')} |`)
  const remarks = [
    ...notes.map((note) => `- ${note}`),
    ...skipped.map(({ side, reason }) => `- skipped: ${side} (${reason})`),
  ]
  return [`### ${name}`, '', ...table, '', ...remarks, ''].join('\n')
}

/** Three significant digits, and never an exponent. */
function show(value: number): string {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(digits, 6))
}
