import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BadRequestError } from './errors.ts'
import { claimIdInHref, idInHref, markerInHref, queuePath, withIds, withQuery } from './paths.ts'

describe('the path of a queue', () => {
  test('has exactly the segments that were asked for, whatever the names', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)
    fc.assert(
      fc.property(name, name, (queue, id) => {
        const path = queuePath(queue, 'messages', id)
        expect(new URL(path, 'http://host').pathname).toBe(`/v2/queues/${queue}/messages/${id}`)
      }),
    )
  })

  test('is refused for every name with other characters', () => {
    fc.assert(
      fc.property(fc.string(), (queue) => {
        fc.pre(!/^[A-Za-z0-9_-]{1,64}$/.test(queue))
        expect(() => queuePath(queue)).toThrow(BadRequestError)
      }),
    )
  })

  test.for(['', 'a.b', '../x', 'a/b', 'a%2Fb', 'a\n', 'é', 'x'.repeat(65)])(
    'is refused for the name %j',
    (queue) => {
      expect(() => queuePath(queue)).toThrow(BadRequestError)
    },
  )

  test('is refused for an id that would climb out of it', () => {
    expect(() => queuePath('q', 'messages', '..')).toThrow(BadRequestError)
    expect(() => withIds('/v2/queues/q/messages', ['a', 'b&pop=1'])).toThrow(BadRequestError)
  })
})

describe('a query', () => {
  test('leaves out what is undefined, and escapes the rest', () => {
    const query = { limit: 5, marker: 'a b&c', echo: true, detailed: undefined }
    expect(withQuery('/v2/queues', query)).toBe('/v2/queues?limit=5&marker=a%20b%26c&echo=true')
  })

  test('keeps the commas between ids, as Zaqar splits before it decodes', () => {
    expect(withIds('/p', ['a', 'b'])).toBe('/p?ids=a,b')
  })
})

describe('an href', () => {
  test.for([
    ['path-only', '/v2/queues/q/claims/c1', 'c1'],
    ['below a prefix', '/messaging/v2/queues/q/claims/c1', 'c1'],
    ['rewritten by a proxy', 'https://cloud.example/v2/queues/q/claims/c1', 'c1'],
    ['of a queue named like the collection', '/v2/queues/claims/claims/c1', 'c1'],
    ['without an id', '/v2/queues/q/claims/', undefined],
    ['of another collection', '/v2/queues/q/messages/m1', undefined],
    ['with an id that is none', '/v2/queues/q/claims/a%2Fb', undefined],
    ['no URL', 'http://[', undefined],
  ] as const)('that is %s names the claim %j', ([, href, id]) => {
    expect(idInHref(href, 'claims')).toBe(id)
  })

  test('names the claim that holds its message', () => {
    expect(claimIdInHref('/v2/queues/q/messages/m1?claim_id=c1')).toBe('c1')
    expect(claimIdInHref('/v2/queues/q/messages/m1')).toBeUndefined()
  })

  test('names where the next page starts', () => {
    expect(markerInHref('/v2/queues?limit=10&marker=a%20b')).toBe('a b')
    expect(markerInHref('/v2/queues?limit=10')).toBeUndefined()
  })

  test('never makes the parser throw', () => {
    fc.assert(
      fc.property(fc.string(), (href) => {
        idInHref(href, 'messages')
        claimIdInHref(href)
        markerInHref(href)
      }),
    )
  })
})
