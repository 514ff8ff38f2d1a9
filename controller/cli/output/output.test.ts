import { describe, expect, test } from 'vitest'
import { formatAge, formatDuration, formatMoment } from './human-time.ts'
import { printable } from './printable.ts'
import { formatFields, formatTable } from './table.ts'

const noon = new Date('2030-01-01T12:00:00Z')
const before = (seconds: number) => new Date(noon.getTime() - seconds * 1000)

test.for([
  [0, 'now'],
  [0.9, 'now'],
  [1, '1s ago'],
  [59.9, '59s ago'],
  [60, '1m ago'],
  [3599, '59m ago'],
  [3600, '1h ago'],
  [86_400 * 12, '12d ago'],
  [-300, 'in 5m'],
] as const)('a moment %d seconds back is told as %s', ([seconds, text]) => {
  expect(formatAge(before(seconds), noon)).toBe(text)
})

test('what has not happened is a dash', () => {
  expect([formatAge(null, noon), formatMoment(null, noon)]).toEqual(['-', '-'])
  expect(formatMoment(before(60), noon)).toBe('2030-01-01T11:59:00.000Z (1m ago)')
})

test.for([
  [-5, '0ms'],
  [250, '250ms'],
  [2100, '2.1s'],
  [59_999, '59.9s'],
  [185_000, '3m 5s'],
  [7_800_000, '2h 10m'],
] as const)('%d milliseconds are told as %s', ([ms, text]) => {
  expect(formatDuration(ms)).toBe(text)
})

describe('a table', () => {
  test('aligns its columns and ends no line with spaces', () => {
    expect(
      formatTable(
        ['NAME', 'STATE'],
        [
          ['worker-10', 'ok'],
          ['a', ''],
        ],
      ),
    ).toBe('NAME       STATE\nworker-10  ok\na\n')
  })

  test('of one thing stands upright', () => {
    expect(formatFields({ name: 'web', instances: 3 })).toBe('name:       web\ninstances:  3\n')
  })
})

test('text from a guest cannot steer the terminal', () => {
  expect(printable('a\u001b]0;x\u0007b\u202Ec\r\nd')).toBe('a\uFFFD]0;x\uFFFDb\uFFFDc\uFFFD d')
  expect(printable('Zürich 🔑')).toBe('Zürich 🔑')
})
