import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseHttpDate, parseRetryAfterMs } from './parse-http-dates.ts'

const noon = new Date('2030-01-01T12:00:00Z')
const wholeSeconds = fc
  .date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  .map((date) => new Date(Math.floor(date.getTime() / 1000) * 1000))

describe('an HTTP date', () => {
  test('is read back as it was written', () => {
    fc.assert(
      fc.property(wholeSeconds, (date) => {
        expect(parseHttpDate(date.toUTCString())).toEqual(date)
      }),
    )
  })

  test.for([
    undefined,
    '',
    '1',
    'yesterday',
    '2030-01-01T12:00:00Z',
    'Tue, 99 Foo 2030 12:00:00 GMT',
  ])('is nothing when it is %j', (text) => {
    expect(parseHttpDate(text)).toBeUndefined()
  })
})

describe('Retry-After', () => {
  test.for([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7000],
    ['Tue, 01 Jan 2030 12:00:30 GMT', 30_000],
    ['Tue, 01 Jan 2030 11:00:00 GMT', 0],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['9'.repeat(400), undefined],
    [undefined, undefined],
  ] as const)('%j asks for %j milliseconds', ([text, ms]) => {
    expect(parseRetryAfterMs(text, noon)).toBe(ms)
  })

  test('is never a negative or endless time, whatever it says', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.integer().map(String),
          wholeSeconds.map((date) => date.toUTCString()),
        ),
        (text) => {
          const ms = parseRetryAfterMs(text, noon)
          expect(ms === undefined || (ms >= 0 && Number.isSafeInteger(ms))).toBe(true)
        },
      ),
    )
  })
})
