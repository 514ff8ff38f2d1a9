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
    ['one byte at least', 1, undefined, 1],
  ] as const)('is %s', ([, refused, announced, limit]) => {
    const postLimit = createPostLimit(fakeWorld())
    postLimit.lower(refused, refusal(announced))
    expect(postLimit.bytes()).toBe(limit)
  })

  test('is tried again after an hour', async () => {
    const world = fakeWorld()
    const postLimit = createPostLimit(world)
    postLimit.lower(1000, refusal())
    await world.advance(3_599_999)
    expect(postLimit.bytes()).toBe(500)
    await world.advance(1)
    expect(postLimit.bytes()).toBe(defaultPostLimitBytes)
  })
})
