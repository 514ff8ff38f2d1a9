import { describe, expect, test } from 'vitest'
import type { Door } from './door.ts'
import { chooseDoor } from './door.ts'
import { advanceEnrolment } from './enrolment-state.ts'

const half = () => 0.5
const url = (expires: string) => ({
  paths: ['/v2/queues/q/messages'],
  methods: ['POST'],
  project: 'p',
  expires,
  signature: 'a'.repeat(64),
})
const key = { kty: 'OKP', crv: 'X25519', x: 'AA' } as const
const aDoor = (endpoint: string, expires: string): Door => ({
  endpoint,
  cluster: '11111111-1111-4111-8111-111111111111',
  commandKey: key,
  enrolmentKey: key,
  hello: url(expires),
  lobby: url(expires),
})
const door = aDoor('http://a', '2099-01-01T00:00:00')

describe('the exchange of hello and welcome', () => {
  test('looks again soon for a bootstrap file that is missing', () => {
    const next = advanceEnrolment({ name: 'looking', attempt: 7 }, { kind: 'nothing-found' }, half)
    expect(next).toEqual({ name: 'resting', attempt: 7, delayMs: 1000 })
  })

  test.for([
    [1, 3750],
    [2, 7500],
    [5, 45_000],
    [50, 45_000],
  ] as const)('waits for an answer to hello %i for %i ms', ([attempt, patienceMs]) => {
    const next = advanceEnrolment({ name: 'greeting', attempt, door }, { kind: 'posted' }, half)
    expect(next).toEqual({ name: 'listening', attempt, door, patienceMs })
  })

  test('says hello anew when nobody answers', () => {
    const listening = { name: 'listening', attempt: 1, door, patienceMs: 1 } as const
    expect(advanceEnrolment(listening, { kind: 'silence' }, half)).toEqual({
      name: 'looking',
      attempt: 2,
    })
  })

  test('looks again soon for a challenge that has not come, which is no failed attempt', () => {
    const greeting = { name: 'greeting', attempt: 1, door } as const
    const resting = advanceEnrolment(greeting, { kind: 'no-challenge' }, half)
    expect(resting).toMatchObject({ name: 'resting', delayMs: 3000 })
    const next = advanceEnrolment(resting, { kind: 'rested' }, half)
    expect(next).toEqual({ name: 'looking', attempt: 1 })
  })

  test('rests no longer than a minute after an outage', () => {
    const next = advanceEnrolment(
      { name: 'greeting', attempt: 40, door },
      { kind: 'failed' },
      () => 1,
    )
    expect(next).toEqual({ name: 'resting', attempt: 40, delayMs: 60_000 })
  })

  test('leaves a state as it is at an event that it does not know', () => {
    const resting = { name: 'resting', attempt: 1, delayMs: 5 } as const
    expect(advanceEnrolment(resting, { kind: 'silence' }, half)).toBe(resting)
  })
})

describe('the door at which an agent knocks', () => {
  const now = new Date('2030-01-01T00:00:00Z')
  const ended = aDoor('http://ended', '2020-01-01T00:00:00')
  const other = aDoor('http://b', '2099-01-01T00:00:00')

  test('is one whose signed URLs have time left', () => {
    expect(chooseDoor([ended, door], 1, now)).toBe(door)
    expect(chooseDoor([ended, door], 2, now)).toBe(door)
  })

  test('is another one at the next attempt', () => {
    expect([1, 2, 3].map((attempt) => chooseDoor([door, other], attempt, now))).toEqual([
      door,
      other,
      door,
    ])
  })

  test('is an ended one when there is no better: the clock may be wrong', () => {
    expect(chooseDoor([ended], 1, now)).toBe(ended)
    expect(chooseDoor([], 1, now)).toBeUndefined()
  })
})
