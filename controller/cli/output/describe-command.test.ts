import { expect, test } from 'vitest'
import { aCommand, aResult } from '../../../test/controller-cli/a-command.ts'
import { describeEnd, describeOperation, shorten } from './describe-command.ts'

test.for([
  [{ name: 'exec', argv: ['ls', '-l', '/tmp'] }, 'ls -l /tmp'],
  [{ name: 'exec', argv: ['sh', '-c', "echo 'a b'", ''] }, `sh -c 'echo '\\''a b'\\''' ''`],
  [{ name: 'exec', interpreter: ['bash', '-eu'] }, 'script (bash -eu)'],
  [{ name: 'read', path: '/etc/hosts' }, 'read /etc/hosts'],
  [{ name: 'ping' }, 'ping'],
  [{ name: 'from-the-future', path: 7 }, 'from-the-future'],
] as const)('the operation %j is told as %s', ([operation, text]) => {
  expect(describeOperation({ ...operation })).toBe(text)
})

const reason = { code: 'no-such-file', message: 'there is no /x' }

test.for([
  ['succeeded', aResult(), 'succeeded after 2.1s'],
  ['failed', aResult({ exitCode: 3 }), 'exit code 3 after 2.1s'],
  ['failed', aResult({ signal: 'SIGKILL' }), 'ended by SIGKILL after 2.1s'],
  ['failed', aResult({ reason }), 'failed after 2.1s: there is no /x'],
  ['timed-out', aResult({ signal: 'SIGTERM' }), 'timed-out after 2.1s'],
  ['lost', null, 'lost'],
] as const)('a command that is %s with %j is told as %s', ([state, result, text]) => {
  expect(describeEnd(aCommand({ state, result }))).toBe(text)
})

test('a refusal names the rule', () => {
  const { startedAt: _, ...result } = aResult({ state: 'refused', rule: 'exec.users', reason })
  expect(describeEnd({ state: 'refused', result })).toBe(
    'refused: there is no /x (rule exec.users)',
  )
})

test('what is too long says so', () => {
  expect([shorten('abcde', 5), shorten('abcdef', 5)]).toEqual(['abcde', 'abcd…'])
})
