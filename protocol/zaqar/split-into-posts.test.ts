import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BadRequestError, MessageTooLargeError } from './errors.ts'
import { defaultPostLimitBytes, splitIntoPosts } from './split-into-posts.ts'

const aMessage = fc.record({
  body: fc.jsonValue(),
  ttlSeconds: fc.option(fc.integer({ min: 60, max: 1_209_600 }), { nil: undefined }),
})

describe('messages that are split into posts', () => {
  test('come out once each, in order, in bodies within the limit', () => {
    fc.assert(
      fc.property(fc.array(aMessage), fc.integer({ min: 2000, max: 6000 }), (messages, limit) => {
        fc.pre(messages.every((message) => Buffer.byteLength(JSON.stringify(message)) < 1900))
        const posts = splitIntoPosts(messages, limit)
        expect(posts.flatMap((post) => post.messages)).toEqual(messages)
        for (const post of posts) {
          expect(Buffer.byteLength(post.json)).toBeLessThanOrEqual(limit)
          expect(JSON.parse(post.json)).toEqual({
            messages: post.messages.map(({ body, ttlSeconds }) =>
              // Through JSON, as it has no -0 and no undefined.
              JSON.parse(JSON.stringify({ body, ttl: ttlSeconds })),
            ),
          })
        }
      }),
    )
  })

  test('fill each post as far as the next message allows', () => {
    fc.assert(
      fc.property(fc.array(aMessage, { minLength: 2 }), (messages) => {
        fc.pre(messages.every((message) => Buffer.byteLength(JSON.stringify(message)) < 1900))
        const limit = 2000
        const posts = splitIntoPosts(messages, limit)
        for (const [index, post] of posts.slice(0, -1).entries()) {
          const next = posts[index + 1]?.messages.slice(0, 1) ?? []
          expect(splitIntoPosts([...post.messages, ...next], limit)).toHaveLength(2)
        }
      }),
    )
  })

  test('fit to the very byte', () => {
    const frame = '{"messages":[{"body":""}]}'.length
    const body = 'x'.repeat(defaultPostLimitBytes - frame)
    const [post] = splitIntoPosts([{ body }])
    expect(Buffer.byteLength(post?.json ?? '')).toBe(defaultPostLimitBytes)
    expect(() => splitIntoPosts([{ body: `${body}x` }])).toThrow(MessageTooLargeError)
  })

  test('are counted in bytes, not in characters', () => {
    expect(() => splitIntoPosts([{ body: 'é'.repeat(60) }], 100)).toThrow(
      /message 0: too large \(a POST of it alone has 146 bytes, at most 100 are taken\)/,
    )
  })

  test('are no posts when there are none', () => {
    expect(splitIntoPosts([])).toEqual([])
  })

  test.for([undefined, () => 1, Symbol('x')])('are refused when a body is no JSON: %s', (body) => {
    expect(() => splitIntoPosts([{ body }])).toThrow(BadRequestError)
  })
})
