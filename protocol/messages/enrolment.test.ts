import { describe, expect, test } from 'vitest'
import { InstanceUuid } from './enrolment.ts'

describe('the UUID in a hello', () => {
  test('is read in lower case, however it is spelled', () => {
    expect(InstanceUuid.parse('AAAA-Bb')).toBe('aaaa-bb')
  })

  test.for([
    ['nothing', ''],
    ['a blank', 'aaaa bbbb'],
    ['a letter that folds to another (KELVIN SIGN)', '\u212A-1'],
    ['a control character', 'aaaa\n'],
    ['more than 128 characters', 'a'.repeat(129)],
  ] as const)('is not %s', ([, uuid]) => {
    expect(InstanceUuid.safeParse(uuid).success).toBe(false)
  })
})
