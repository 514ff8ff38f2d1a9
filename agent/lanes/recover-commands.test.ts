import { describe, expect, test } from 'vitest'
import { judgeRecovery } from './recover-commands.ts'

const same = { isSameBoot: true, isIdempotent: false }
const other = { isSameBoot: false, isIdempotent: false }

describe('a command that was begun before the agent was started', () => {
  test.for([
    ['running-or-ended', same, 'attach'],
    ['running-or-ended', other, 'attach'],
    ['never-begun', same, 'begin'],
    ['never-begun', other, 'interrupted'],
    ['never-begun', { ...other, isIdempotent: true }, 'begin-again'],
    ['interrupted', same, 'interrupted'],
    ['interrupted', { ...same, isIdempotent: true }, 'begin-again'],
    ['unknown', same, 'interrupted'],
    ['unknown', { ...same, isIdempotent: true }, 'begin-again'],
  ] as const)('found as %s with %o: %s', ([found, circumstances, verdict]) => {
    expect(judgeRecovery(found, circumstances)).toBe(verdict)
  })
})
