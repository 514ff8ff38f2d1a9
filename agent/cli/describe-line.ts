import type { AuditLine } from '../audit/audit-line.ts'
import { printable } from './printable.ts'

/** A line of the audit log for people. Whatever a command's author put into it stays text on a terminal. */
export function describeLine({ seq, at, event, command, ...rest }: AuditLine): string {
  const fields = Object.entries(rest)
    .filter(([name, value]) => name !== 'previous' && value !== null)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  const words = [
    at.toISOString(),
    String(seq).padStart(6),
    event.padEnd(8),
    command ?? '-',
    ...fields,
  ]
  return printable(words.join(' '))
}
