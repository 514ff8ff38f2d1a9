import { describe, expect, test } from 'vitest'
import { Duration } from './duration.ts'

describe('a duration', () => {
  test.for([
    ['90', 90],
    ['0', 0],
    ['1.5', 1.5],
    ['90s', 90],
    ['5m', 300],
    ['1h', 3600],
    ['2d', 172_800],
    ['500ms', 0.5],
    ['1h30m', 5400],
    ['1m30.5s', 90.5],
  ] as const)('is %s: %d seconds', ([text, seconds]) => {
    expect(Duration.parse(text)).toBe(seconds)
  })

  test.for(['', ' 5s', '5 s', '-5s', '5x', 's', '5sec', '1e3', '0x10', 'Infinity', '1h30', '.5s'])(
    'is not %j',
    (text) => {
      expect(Duration.safeParse(text).success).toBe(false)
    },
  )
})
