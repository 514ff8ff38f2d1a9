import { z } from 'zod'

/** Which bytes are there: `[start, end)` pairs in order, which neither touch nor overlap. */
export const ByteRanges = z.array(z.tuple([z.int().min(0), z.int().min(0)]))
export type ByteRanges = z.output<typeof ByteRanges>

/** The ranges with one more in them. Pure. */
export function addRange(ranges: ByteRanges, start: number, end: number): ByteRanges {
  if (end <= start) return ranges
  const before = ranges.filter(([, otherEnd]) => otherEnd < start)
  const after = ranges.filter(([otherStart]) => otherStart > end)
  const touching = ranges.slice(before.length, ranges.length - after.length)
  const low = Math.min(start, ...touching.map(([otherStart]) => otherStart))
  const high = Math.max(end, ...touching.map(([, otherEnd]) => otherEnd))
  return [...before, [low, high], ...after]
}

/** How many bytes there are from the beginning on, without a hole. */
export function contiguousBytes(ranges: ByteRanges): number {
  const [first] = ranges
  return first?.[0] === 0 ? first[1] : 0
}
