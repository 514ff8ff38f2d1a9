import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitLines } from './split-lines.ts'

test('lines come out as they went in, however the bytes are cut', async () => {
  const line = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !text.includes('\n'))
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 7 }), async (lines, step) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''))
      expect(await Array.fromAsync(splitLines(cut(bytes, step), 1000))).toEqual(lines)
    }),
  )
})

test('a line that was cut off is left out', async () => {
  const bytes = Buffer.from('{"a":1}\n{"b"')
  expect(await Array.fromAsync(splitLines(cut(bytes, 3), 100))).toEqual(['{"a":1}'])
})

test('an endless line is refused', async () => {
  const bytes = Buffer.alloc(300, 'a')
  await expect(Array.fromAsync(splitLines(cut(bytes, 7), 100))).rejects.toThrow('more than 100')
})

async function* cut(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += step) yield bytes.subarray(from, from + step)
}
