import { describe, expect, test } from 'vitest'
import { describeOperation } from './describe-operation.ts'

const secret = 'hunter2'

describe('what the audit log says of a command', () => {
  test.for([
    ['an environment value', { name: 'exec', argv: ['id'], env: { PASSWORD: secret } }],
    ['a script', { name: 'exec', script: `echo ${secret}` }],
    ['a text for a shell', { name: 'exec', argv: ['/bin/sh', '-c', `echo ${secret}`] }],
    ['an option’s value', { name: 'exec', argv: ['mysql', `--password=${secret}`] }],
    ['a word after an option', { name: 'exec', argv: ['tool', '--auth-token', secret] }],
    ['an assignment', { name: 'exec', argv: ['tool', `DB_PASSWORD=${secret}`] }],
    ['a URL’s password', { name: 'exec', argv: ['curl', `https://user:${secret}@example.org/`] }],
    [
      'standard input',
      { name: 'stdin', target: crypto.randomUUID(), offset: 0, bytes: 'aHVudGVyMg' },
    ],
    ['a URL’s query', { name: 'http', url: `http://u:${secret}@localhost/x?key=${secret}` }],
    ['a header', { name: 'http', url: 'http://localhost/', headers: [['Authorization', secret]] }],
    ['a field of no operation', { name: 'fly', wings: secret }],
  ] as const)('never holds %s', ([, operation]) => {
    expect(JSON.stringify(describeOperation({ operation }, 'redacted'))).not.toContain(secret)
  })

  test('names words and digests, or digests alone', () => {
    const command = {
      operation: { name: 'exec', argv: ['systemctl', 'restart', 'x'], user: 'root' },
    }
    expect(describeOperation(command, 'redacted')).toMatchObject({
      operation: 'exec',
      argv: ['systemctl', 'restart', 'x'],
      user: 'root',
    })
    const digests = describeOperation(command, 'digest')
    expect(digests).toMatchObject({ program: 'systemctl', words: { argv: 3, size: 19 } })
    expect(digests).not.toHaveProperty('argv')
  })
})
