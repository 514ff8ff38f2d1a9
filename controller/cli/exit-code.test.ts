import { describe, expect, test } from 'vitest'
import { aCommand, aResult } from '../../test/controller-cli/a-command.ts'
import { worstExitCode } from './exit-code.ts'

describe('the exit code for a command', () => {
  test.for([
    ['succeeded', aResult(), 0],
    ['failed', aResult({ exitCode: 3 }), 3],
    ['failed', aResult({ exitCode: 255 }), 255],
    ['failed', aResult({ exitCode: 256 }), 255],
    ['failed', aResult({ exitCode: 0 }), 255],
    ['failed', aResult({ signal: 'SIGKILL' }), 137],
    ['failed', aResult({ signal: 'SIGTERM' }), 143],
    ['failed', aResult({ signal: 'SIGWHATEVER' }), 255],
    ['failed', aResult({ reason: { code: 'no-such-file', message: 'gone' } }), 255],
    ['failed', null, 255],
    ['timed-out', aResult({ signal: 'SIGKILL' }), 124],
    ['cancelled', aResult({ signal: 'SIGTERM' }), 130],
    ['cancelled', null, 130],
    ['refused', aResult(), 255],
    ['interrupted', aResult(), 255],
    ['expired', null, 255],
    ['lost', null, 255],
    ['queued', null, 0],
    ['posted', null, 0],
    ['accepted', null, 0],
  ] as const)('that is %s with %j is %d', ([state, result, exitCode]) => {
    expect(worstExitCode([aCommand({ state, result })])).toBe(exitCode)
  })

  test('is the highest one of several', () => {
    expect(worstExitCode([])).toBe(0)
    expect(worstExitCode([failed(3), aCommand(), failed(7)])).toBe(7)
    expect(worstExitCode([failed(200), aCommand({ state: 'lost', result: null })])).toBe(255)
  })
})

function failed(exitCode: number) {
  return aCommand({ state: 'failed', result: aResult({ state: 'failed', exitCode }) })
}
