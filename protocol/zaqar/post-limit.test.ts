import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { MessageTooLargeError } from './errors.ts'
import { createPostLimit } from './post-limit.ts'
import { defaultPostLimitBytes } from './split-into-posts.ts'

const refusal = (limitBytes?: number) =>
  new MessageTooLargeError('post', 'x', { status: 400, limitBytes })

describe('what a queue service takes in one POST', () => {
  test.for([
    ['as it says', 200_000, 100_000, 100_000],
    ['half of what was refused, where it does not say', 200_000, undefined, 100_000],
    ['half, where it says what it has just refused', 200_000, 200_000, 100_000],
    ['what it was, where even less is known', 524_288 * 2, undefined, defaultPostLimitBytes],
    ['as it says, however little that is', 3000, 1500, 1500],
    ['one byte at least', 2, 0, 1],
    ['4 KiB at least, where it does not say', 5000, undefined, 4096],
  ] as const)('is %s', ([, refused, announced, limit]) => {
    const postLimit = createPostLimit(fakeWorld())
    expect(postLimit.lower(refused, refusal(announced))).toBe(limit < refused)
    expect(postLimit.bytes()).toBe(limit)
  })

  test.for([
    ['does not say why', undefined],
    ['says that it takes that', 4096],
  ] as const)('is the default again once it refuses 4 KiB and %s', ([, announced]) => {
    const postLimit = createPostLimit(fakeWorld())
    postLimit.lower(200_000, refusal())
    expect(postLimit.lower(4096, refusal(announced))).toBe(false)
    expect(postLimit.bytes()).toBe(defaultPostLimitBytes)
  })

  test('is below each larger POST that was refused, and never below 4 KiB unless it says so', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 30 })
    fc.assert(
      fc.property(sizes, (refusedSizes) => {
        const postLimit = createPostLimit(fakeWorld())
        for (const refused of refusedSizes) {
          const isLower = postLimit.lower(refused, refusal())
          expect(isLower).toBe(postLimit.bytes() < refused)
          if (refused > 4096) expect(isLower).toBe(true)
          expect(postLimit.bytes()).toBeGreaterThanOrEqual(4096)
        }
      }),
    )
  })

  test('is tried again after an hour', async () => {
    const world = fakeWorld()
    const postLimit = createPostLimit(world)
    postLimit.lower(10_000, refusal())
    await world.advance(3_599_999)
    expect(postLimit.bytes()).toBe(5000)
    await world.advance(1)
    expect(postLimit.bytes()).toBe(defaultPostLimitBytes)
  })
})
