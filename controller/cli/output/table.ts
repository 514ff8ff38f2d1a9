import { printable } from './printable.ts'

/** Columns aligned to their widest cell, two spaces between them; the last one is not padded. Ends with a line break. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => printable(String(cell))))]
  const widths = head.map((_, column) =>
    Math.max(...cells.map((row) => row.at(column)?.length ?? 0)),
  )
  return cells
    .map((row) => row.map((cell, column) => cell.padEnd(widths.at(column) ?? 0)).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}

/** `name: value` lines with aligned values, for one thing rather than many. */
export function formatFields(fields: Readonly<Record<string, string | number>>): string {
  const width = Math.max(...Object.keys(fields).map((name) => name.length)) + 1
  return Object.entries(fields)
    .map(([name, value]) => `${`${name}:`.padEnd(width)}  ${printable(String(value))}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('')
}
