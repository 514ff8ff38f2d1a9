import { expect, test } from 'vitest'
import { AuditLine } from '../audit/audit-line.ts'
import { describeLine } from './describe-line.ts'

test.for([
  ['C0', '\u001B[2J'],
  ['C1', '\u009B2J'],
  ['DEL', '\u007F'],
  ['a bidi override', '\u202E'],
  ['a line separator', '\u2028'],
  ['a tag beyond 16 bits', '\u{E0041}'],
] as const)(
  'a line of the audit log keeps %s from the terminal, wherever it stands',
  ([, hostile]) => {
    const line = AuditLine.parse({
      seq: 1,
      at: '2030-01-01T00:00:00.000Z',
      previous: '0'.repeat(64),
      event: 'received',
      command: `c${hostile}`,
      path: `/srv/${hostile}x`,
      [`field${hostile}`]: 1,
    })
    const shown = describeLine(line)
    expect(shown).toMatch(/^2030-01-01T00:00:00.000Z {6}1 received c/)
    expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    const [, path = ''] = /path=("(?:[^"\\]|\\.)*")/.exec(shown) ?? []
    expect(JSON.parse(path)).toBe(`/srv/${hostile}x`)
  },
)
