import { describe, expect, test } from 'vitest'
import { NewCommand } from '../../api/resources.ts'
import { checkNewCommand } from '../../commands/check-new-command.ts'
import { RequestInvalidError } from '../../errors.ts'
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

describe('a command line that is too long', () => {
  const said =
    /^the command, with all that stands on the command line, is .*; hand over what is long by --script FILE or --stdin, /

  test('is told by its size, and by what to do on the command line', () => {
    const argv = ['echo', 'x'.repeat(100_000)]
    const refused = refusalOf(NewCommand.parse({ operation: { name: 'exec', argv } }))
    expect(refused.errors[0]?.message).toContain('contentIs')
    const told = explainRefusal(refused, socket)
    expect(told).toMatch(said)
    expect(told).toMatch(/ is 100\d{3} bytes, over 98304; /)
    expect(told).not.toContain('contentIs')
  })

  test('is told so as well where the API reads no further', () => {
    const tooLarge = { type: 'about:blank', title: 'x', status: 413, code: 'ERR_BODY_TOO_LARGE' }
    const refused = { ...tooLarge, detail: 'the body is too long' }
    expect(explainRefusal(refused, socket, { json: {} })).toMatch(said)
    expect(explainRefusal(refused, socket, {})).toBe('the body is too long')
  })
})

function refusalOf(command: NewCommand) {
  try {
    checkNewCommand(command)
  } catch (error) {
    if (!(error instanceof RequestInvalidError)) throw error
    const { code, message: detail, parts } = error
    return {
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      code,
      detail,
      errors: [...parts],
    }
  }
  throw new Error('the command is taken')
}
