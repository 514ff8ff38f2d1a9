import { describe, expect, test } from 'vitest'
import { EnvironmentPairs } from './environment-pairs.ts'

describe('variables for a command', () => {
  test('keep everything behind the first equals sign, and the last one wins', () => {
    expect(EnvironmentPairs.parse(['A=1', '_b2=x=y\nz', 'EMPTY=', 'A=2'])).toEqual({
      A: '2',
      _b2: 'x=y\nz',
      EMPTY: '',
    })
  })

  test('may be called anything that a shell allows', () => {
    expect(Object.entries(EnvironmentPairs.parse(['__proto__=x']))).toEqual([['__proto__', 'x']])
  })

  test.for(['A', '=x', '1A=x', 'A-B=x', '', 'A=\0'])('are not %j', (pair) => {
    expect(EnvironmentPairs.safeParse([pair]).success).toBe(false)
  })

  test('are not quoted with their value when they are wrong, since that may be a secret', () => {
    const parsed = EnvironmentPairs.safeParse(['my-token=hunter2'])
    expect(parsed.error?.message).toContain('my-token')
    expect(parsed.error?.message).not.toContain('hunter2')
  })
})
