import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLinePrefixer } from './line-prefixer.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8')
/** Mostly line breaks and parts of characters, where mistakes would live. */
const lines = fc
  .array(fc.oneof(fc.constantFrom(0x0a, 0x0d, 0xc3, 0xbc, 0xf0, 0x9f), fc.nat(255)), {
    maxLength: 200,
  })
  .map((numbers) => Buffer.from(numbers))

describe('a prefix before each line', () => {
  test('loses no byte and moves none, however the bytes come', () => {
    fc.assert(
      fc.property(fc.array(lines), (chunks) => {
        const prefixer = createLinePrefixer('worker-1 | ')
        const shown = Buffer.concat([
          ...chunks.map((chunk) => prefixer.push(chunk)),
          prefixer.end(),
        ])
        expect(stripPrefixes(shown, 'worker-1 | ')).toEqual(withLastBreak(Buffer.concat(chunks)))
      }),
    )
  })

  test('shows a line as soon as it is whole, and holds what is not', () => {
    const prefixer = createLinePrefixer('a | ')
    expect(text(prefixer.push(Buffer.from('one\ntw')))).toBe('a | one\n')
    expect(text(prefixer.push(Buffer.from('o')))).toBe('')
    expect(text(prefixer.push(Buffer.from('\n\n')))).toBe('a | two\na | \n')
    expect(text(prefixer.end())).toBe('')
  })

  test('puts a character together whose bytes come one by one', () => {
    const prefixer = createLinePrefixer('a | ')
    const shown = [...Buffer.from('Zürich 🔑\n')].map((byte) => prefixer.push(Buffer.of(byte)))
    expect(text(Buffer.concat(shown))).toBe('a | Zürich 🔑\n')
  })

  test('shows an endless line in pieces, between characters', () => {
    const prefixer = createLinePrefixer('a | ')
    const line = `x${'ü'.repeat(64 * 1024)}`
    const shown = text(Buffer.concat([prefixer.push(Buffer.from(line)), prefixer.end()]))
    const pieces = shown.trimEnd().split('\n')
    expect(pieces.length).toBe(3)
    expect(pieces.map((piece) => piece.slice('a | '.length)).join('')).toBe(line)
  })
})

function stripPrefixes(shown: Buffer, prefix: string): Buffer {
  const kept: Buffer[] = []
  for (let from = 0; from < shown.length; ) {
    expect(shown.subarray(from, from + prefix.length).toString()).toBe(prefix)
    const end = shown.indexOf(0x0a, from) + 1
    kept.push(shown.subarray(from + prefix.length, end))
    from = end
  }
  return Buffer.concat(kept)
}

function withLastBreak(bytes: Buffer): Buffer {
  const whole = bytes.length === 0 || bytes.at(-1) === 0x0a
  return whole ? bytes : Buffer.concat([bytes, Buffer.of(0x0a)])
}
