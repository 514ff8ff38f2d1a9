import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { escapeNonAscii } from './escape-non-ascii.ts'

test('a program that was written in ASCII still says the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const escaped = escapeNonAscii(JSON.stringify(text))
      expect(escaped).toMatch(/^[\0-\x7f]*$/)
      expect(runInNewContext(escaped)).toBe(text)
    }),
  )
})

test.for([
  ['a template', '`a’${1}…`', 'a’1…'],
  ['a pattern', '"x’y😀".replace(/[’…]/g, "").replace(/[😀]/u, "z")', 'xyz'],
] as const)('%s means the same', ([, code, value]) => {
  expect(runInNewContext(escapeNonAscii(code))).toBe(value)
})
