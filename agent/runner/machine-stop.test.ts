import { describe, expect, test } from 'vitest'
import type { Result } from '../../protocol/messages/replies.ts'
import { judgeEnd } from './machine-stop.ts'

const end = (how: Partial<Result>): Result => ({
  state: 'failed',
  endedAt: new Date('2030-01-01T00:00:00Z'),
  outputBytes: 0,
  streams: {},
  survivors: [],
  answer: {},
  ...how,
})

const nothing = { isRunnerTold: false, isMachineStopping: false }
const told = { isRunnerTold: true, isMachineStopping: false }
const shutdown = { isRunnerTold: false, isMachineStopping: true }

describe('a command that ends', () => {
  test.for([
    ['by a signal', { signal: 'SIGTERM' }, nothing, 'failed'],
    ['by a signal, as its runner was told to end', { signal: 'SIGTERM' }, told, 'interrupted'],
    ['with a signal’s code, as its runner was told to end', { exitCode: 143 }, told, 'interrupted'],
    ['with a code of its own, as its runner was told to end', { exitCode: 3 }, told, 'failed'],
    [
      'with success, as its runner was told to end',
      { exitCode: 0, state: 'succeeded' },
      told,
      'succeeded',
    ],
    ['by a signal, while the machine stops', { signal: 'SIGTERM' }, shutdown, 'interrupted'],
    ['with a code of its own, while the machine stops', { exitCode: 3 }, shutdown, 'interrupted'],
    [
      'with success, while the machine stops',
      { exitCode: 0, state: 'succeeded' },
      shutdown,
      'succeeded',
    ],
    ['without having run, while the machine stops', {}, shutdown, 'failed'],
    [
      'by cancel, while the machine stops',
      { signal: 'SIGTERM', state: 'cancelled' },
      shutdown,
      'cancelled',
    ],
  ] as const)('%s: %o, %o: %s', ([, how, signs, state]) => {
    expect(judgeEnd(end(how), signs).state).toBe(state)
  })
})
