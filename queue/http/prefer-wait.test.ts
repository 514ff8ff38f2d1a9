import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readPreferWait } from './prefer-wait.ts'

describe('the wait of a Prefer header', () => {
  test.for([
    ['wait=10', 10],
    ['WAIT = 10', 10],
    ['wait="10"', 10],
    ['respond-async, wait=10', 10],
    ['respond-async,wait=10;foo=bar, handling=lenient', 10],
    ['foo; bar="a, wait=99; \\"", wait=10', 10],
    ['wait=10, wait=20', 10],
    ['wait=0', 0],
    ['wait', undefined],
    ['wait=', undefined],
    ['wait=soon', undefined],
    ['wait=-1', undefined],
    ['wait=1.5', undefined],
    ['wait="10', undefined],
    ['wait=soon, wait=10', undefined],
    ['wait=99999999999', undefined],
    ['waiting=10', undefined],
    ['foo="wait=10"', undefined],
    ['foo; wait=10', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const)('in %j is %s', ([header, seconds]) => {
    expect(readPreferWait(header)).toBe(seconds)
  })

  test('is found behind any other preferences', () => {
    const word = fc.stringMatching(/^[a-z]{1,8}$/).filter((name) => name !== 'wait')
    const quoted = fc
      .string()
      .map((text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`)
    const preference = fc.tuple(word, quoted).map(([name, value]) => `${name}=${value}`)
    fc.assert(
      fc.property(fc.array(preference), fc.nat(1_000_000), (others, seconds) => {
        expect(readPreferWait([...others, `wait=${seconds}`].join(', '))).toBe(seconds)
      }),
    )
  })

  test('never fails, whatever the header holds', () => {
    fc.assert(fc.property(fc.string(), (header) => void readPreferWait(header)))
  })
})
