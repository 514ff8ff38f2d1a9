import { expect, test } from 'vitest'
import { explainRefusal } from './explain-refusal.ts'

const socket = { kind: 'socket', socketPath: '/s' } as const
const tooShort = { path: 'timeoutSeconds', message: 'must be at least 0.001 seconds' }
const unknownKey = { path: 'operation.x', message: 'is no known key' }

test.for([
  ['a flag', [tooShort], '--timeout must be at least 0.001 seconds'],
  [
    'an entry below a flag',
    [{ path: 'operation.secrets.pw.bytes', message: 'has under 4 bytes' }],
    '--secret pw: has under 4 bytes',
  ],
  [
    'two flags',
    [tooShort, { path: 'operation.user', message: 'must not be empty' }],
    '--timeout must be at least 0.001 seconds; --user must not be empty',
  ],
  ['no flag', [unknownKey], 'the body is not valid: operation.x is no known key'],
  [
    'a flag and none',
    [unknownKey, tooShort],
    'the body is not valid: operation.x is no known key; timeoutSeconds must be at least 0.001 seconds',
  ],
] as const)('what has %s is said once, in its words', ([, errors, message]) => {
  const [first] = errors
  const detail = `the body is not valid: ${first.path} ${first.message}`
  const problem = { type: 'about:blank', title: 'Bad Request', status: 400, detail }
  const refused = { ...problem, code: 'ERR_REQUEST_INVALID', errors: [...errors] }
  expect(explainRefusal(refused, socket)).toBe(message)
})
