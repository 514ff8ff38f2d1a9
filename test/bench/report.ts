import { z } from 'zod'
import { summarize } from './summarize.ts'

/** Less is better for times, sizes and shares, more for the rates. `%` is of one processor. */
const Unit = z.enum(['ms', 'KiB', 'MiB', 'MiB/s', '1/s', '1/h', '%'])
export type Unit = z.output<typeof Unit>

const Row = z.strictObject({
  what: z.string(),
  side: z.string(),
  unit: Unit,
  count: z.int().min(1),
  median: z.number(),
  p95: z.number(),
  min: z.number(),
  max: z.number(),
  /** This side's median divided by that of the first side of the same `what`; null where that one failed, or was too little to measure. */
  ratio: z.number().nullable(),
})

const Skipped = z.strictObject({ side: z.string(), reason: z.string() })
export type Skipped = z.output<typeof Skipped>

/** What one benchmark found. Rows with the same `what` and `unit` are compared with the first of them. */
export const Report = z.strictObject({
  name: z.string(),
  rows: z.array(Row),
  /** Sides that could not be measured here, and why. */
  skipped: z.array(Skipped),
  /** What a reader must know to read the figures rightly. */
  notes: z.array(z.string()),
})
export type Report = z.output<typeof Report>

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
    const ratio = reference === undefined || reference === 0 ? null : summary.median / reference
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
