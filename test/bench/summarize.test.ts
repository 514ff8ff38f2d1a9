import { describe, expect, test } from 'vitest'
import { summarize } from './summarize.ts'

describe('a summary of samples', () => {
  test('interpolates between the samples, in whatever order they came', () => {
    expect(summarize([40, 10, 30, 20])).toEqual({
      count: 4,
      median: 25,
      p95: expect.closeTo(38.5, 9),
      min: 10,
      max: 40,
    })
  })

  test('of the numbers 0 to 100 gives each percentile its own number', () => {
    const samples = Array.from({ length: 101 }, (_, index) => index)
    expect(summarize(samples)).toEqual({ count: 101, median: 50, p95: 95, min: 0, max: 100 })
  })

  test('of one sample is that sample', () => {
    expect(summarize([7])).toEqual({ count: 1, median: 7, p95: 7, min: 7, max: 7 })
  })

  test('of nothing is refused', () => {
    expect(() => summarize([])).toThrow(RangeError)
  })
})
