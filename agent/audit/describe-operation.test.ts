import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { emptyHead, lineLimitBytes, writeLine } from './audit-line.ts'
import { describeOperation } from './describe-operation.ts'

const secret = 'hunter2'
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

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
    [
      'a sealed secret',
      { name: 'exec', argv: ['id'], secrets: { db: { sealed: secret, via: 'file' } } },
    ],
    ['a field of no operation', { name: 'fly', wings: secret }],
  ] as const)('never holds %s', ([, operation]) => {
    expect(JSON.stringify(describeOperation({ operation }, 'redacted'))).not.toContain(secret)
  })

  test('names secrets, and gives no digest of them', () => {
    const secrets = { 'db-password': { sealed: 'e30.x.y.z.w' }, token: { sealed: 'e30.x.y.z.w' } }
    const operation = { name: 'exec', argv: ['id'], secrets }
    const { words: _, ...rest } = describeOperation({ operation }, 'redacted')
    expect(rest).toEqual({
      operation: 'exec',
      program: 'id',
      argv: ['id'],
      secrets: ['db-password', 'token'],
    })
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

  test('says of credentials where they lead and until when, and never a signature', () => {
    const url = (expires: string) => ({
      paths: [`/v2/queues/sa-c-${secret}/claims`],
      methods: ['POST'],
      project: 'p',
      expires,
      signature: 'f'.repeat(64),
    })
    const credentials = {
      endpoint: `https://user:${secret}@zaqar.example:8888/x?key=${secret}`,
      gateway: 'http://gateway.example:8889/',
      claim: url('2030-01-03T00:00:00'),
      acknowledge: url('2030-01-02T00:00:00'),
      reply: url('2030-01-03T00:00:00'),
      lobby: url('2030-01-03T00:00:00'),
    }
    const shown = describeOperation({ operation: { name: 'credentials', credentials } }, 'redacted')
    expect(shown).toEqual({
      operation: 'credentials',
      endpoint: 'https://zaqar.example:8888',
      gateway: 'http://gateway.example:8889',
      expires: '2030-01-02T00:00:00Z',
    })
  })

  test('names what it cuts by size and digest, so that two long paths stay two', () => {
    const path = `/srv/${'x'.repeat(300)}`
    expect(describeOperation({ operation: { name: 'read', path } }, 'redacted')).toMatchObject({
      path: { begins: path.slice(0, 200), size: 305, sha256: sha256(path) },
    })
    const env = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`V${index}`, 'x']))
    const names = Object.keys(env).join('\0')
    const command = { operation: { name: 'exec', argv: ['id'], env } }
    expect(describeOperation(command, 'redacted')).toMatchObject({
      variables: { count: 40, sha256: sha256(names) },
    })
  })

  test('of a line that is too long, program, user, path and digests remain', () => {
    const argv = ['/opt/tool', ...Array.from({ length: 40 }, () => 'x'.repeat(4000))]
    const cwd = `/srv/${'x'.repeat(3000)}`
    const names = Array.from({ length: 40 }, (_, index) => `V${index}_${'x'.repeat(300)}`)
    const env = Object.fromEntries(names.map((name) => [name, '']))
    const content = { size: 3, sha256: 'a'.repeat(64) }
    const operation = { name: 'exec', argv, user: 'root', cwd, env, contentIs: 'stdin' }
    const described = describeOperation({ operation, content }, 'redacted')
    const text = writeLine(emptyHead, new Date(0), {
      event: 'received',
      command: 'c',
      ...described,
    })
    expect(Buffer.byteLength(text)).toBeLessThan(lineLimitBytes)
    expect(JSON.parse(text)).toMatchObject({
      shortened: true,
      operation: 'exec',
      program: '/opt/tool',
      user: 'root',
      words: { argv: 41, sha256: sha256(argv.join('\0')) },
      cwd: { size: 3005, sha256: sha256(cwd) },
      content,
    })
  })
})
