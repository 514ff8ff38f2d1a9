import { describe, expect, test } from 'vitest'
import { judgeGrowth } from './judge-growth.ts'

const run = (memoryAt: (minute: number) => number) =>
  Array.from({ length: 40 }, (_, minute) => ({
    atMs: minute * 60_000,
    memoryBytes: memoryAt(minute),
    openFiles: 0,
    diskBytes: 0,
  }))

describe('growth', () => {
  test('of nothing is none', () => {
    expect(
      judgeGrowth(
        run(() => 7),
        'memoryBytes',
        0,
      ),
    ).toEqual({
      start: 7,
      end: 7,
      perHour: 0,
      isWithin: true,
    })
  })

  test('that is steady is told by the hour, and judged by its bound', () => {
    const samples = run((minute) => 100 + minute)
    expect(judgeGrowth(samples, 'memoryBytes', 10).isWithin).toBe(false)
    expect(judgeGrowth(samples, 'memoryBytes', 30).isWithin).toBe(true)
    expect(judgeGrowth(samples, 'memoryBytes', 30).perHour).toBeCloseTo(60)
  })

  test('of a program that warms up is forgiven', () => {
    const samples = run((minute) => Math.min(minute, 9))
    expect(judgeGrowth(samples, 'memoryBytes', 1).isWithin).toBe(true)
  })
})
