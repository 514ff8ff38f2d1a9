import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addRange, type ByteRanges, contiguousBytes } from './byte-ranges.ts'

describe('the ranges of bytes that have come', () => {
  test.for([
    { added: [[0, 3]], ranges: [[0, 3]], whole: 3 },
    { added: [[5, 9]], ranges: [[5, 9]], whole: 0 },
    {
      added: [
        [0, 3],
        [3, 5],
      ],
      ranges: [[0, 5]],
      whole: 5,
    },
    {
      added: [
        [6, 9],
        [0, 3],
        [2, 7],
      ],
      ranges: [[0, 9]],
      whole: 9,
    },
    { added: [[4, 4]], ranges: [], whole: 0 },
  ])('are $ranges after $added', ({ added, ranges, whole }) => {
    let known: ByteRanges = []
    for (const [start = 0, end = 0] of added) known = addRange(known, start, end)
    expect(known).toEqual(ranges)
    expect(contiguousBytes(known)).toBe(whole)
  })

  test('hold exactly the bytes that were added, in any order', () => {
    const range = fc.tuple(fc.nat(60), fc.nat(20)).map(([start, size]) => [start, start + size])
    fc.assert(
      fc.property(fc.array(range), (added) => {
        const bytes = new Set<number>()
        let known: ByteRanges = []
        for (const [start = 0, end = 0] of added) {
          known = addRange(known, start, end)
          for (let byte = start; byte < end; byte += 1) bytes.add(byte)
        }
        const held = known.flatMap(([start, end]) =>
          Array.from({ length: end - start }, (_, index) => start + index),
        )
        expect(held).toEqual([...bytes].toSorted((a, b) => a - b))
      }),
    )
  })
})
