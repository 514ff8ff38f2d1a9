import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LocalFileError, UsageError } from '../errors.ts'
import { readSecrets } from './read-secrets.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sahara-secrets-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const read = async (secret: string[], secretFd: string[] = []) =>
  readSecrets(
    { secret, secretFd },
    { stdin: Readable.from([Buffer.from('from stdin')]), env: { DB: 'hunter2' } },
  )

describe('a secret on the command line', () => {
  test('is a place where it is read', async () => {
    const path = join(folder, 'key')
    writeFileSync(path, Buffer.from([0xff, 0x00, 0x01, 0x0a]))
    expect(await read([`key=@${path}`, 'db-password=env:DB'], ['token=-'])).toEqual({
      key: { bytes: '_wABCg', via: 'file' },
      'db-password': { bytes: Buffer.from('hunter2').toString('base64url'), via: 'file' },
      token: { bytes: Buffer.from('from stdin').toString('base64url'), via: 'fd' },
    })
    expect(await read([])).toBeUndefined()
  })

  test.for([
    ['a value', ['db=hunter2'], 'NAME=@FILE'],
    ['no place', ['hunter2'], 'NAME=@FILE'],
    ['a bad name', ['DB=-'], 'is no name'],
    ['an unknown variable', ['db=env:NO_SUCH'], 'NO_SUCH'],
    ['a name twice', ['db=-', 'db=env:DB'], 'twice'],
    ['standard input twice', ['db=-', 'other=-'], 'only one'],
  ] as const)('is refused when it is %s, and never quoted', async ([, given, message]) => {
    const failure = await read([...given]).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(UsageError)
    expect(String(failure)).toContain(message)
    expect(String(failure)).not.toContain('hunter2')
  })

  test('may not be too long, nor in a file that is not there', async () => {
    const path = join(folder, 'long')
    writeFileSync(path, Buffer.alloc(32 * 1024 + 1))
    await expect(read([`key=@${path}`])).rejects.toThrow(UsageError)
    await expect(read([`key=@${path}.no`])).rejects.toThrow(LocalFileError)
  })
})
