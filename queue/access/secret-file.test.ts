import {
  chmodSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { SecretFileUnsafeError } from '../errors.ts'
import { readOrMakeSecret } from './secret-file.ts'

function aDirectory() {
  const directory = mkdtempDisposableSync(join(tmpdir(), 'sahara-queue-'))
  return { path: directory.path, [Symbol.dispose]: () => directory.remove() }
}

describe('a file with a secret', () => {
  test('is made once, for its owner only, and read from then on', () => {
    using directory = aDirectory()
    const path = join(directory.path, 'token')
    const made = readOrMakeSecret(path, fakeWorld(undefined, 1))
    expect(made).toMatch(/^[0-9a-f]{64}$/)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readOrMakeSecret(path, fakeWorld(undefined, 2))).toBe(made)
    expect(readdirSync(directory.path)).toEqual(['token'])
  })

  test.for([
    ['others may read it', 0o604, 'a'.repeat(64)],
    ['the group may write it', 0o620, 'a'.repeat(64)],
    ['it is empty', 0o600, ''],
    ['it is too short to be a secret', 0o600, 'abc\n'],
  ] as const)('is refused when %s, without telling what it holds', ([, mode, content]) => {
    using directory = aDirectory()
    const path = join(directory.path, 'token')
    writeFileSync(path, content)
    chmodSync(path, mode)
    const read = () => readOrMakeSecret(path, fakeWorld())
    expect(read).toThrow(SecretFileUnsafeError)
    expect(read).toThrow(path)
    expect(read).not.toThrow(/aaaa/)
  })

  test('is refused when it is a directory or cannot be made', () => {
    using directory = aDirectory()
    mkdirSync(join(directory.path, 'token'), { mode: 0o700 })
    for (const name of ['token', 'none/token']) {
      expect(() => readOrMakeSecret(join(directory.path, name), fakeWorld())).toThrow(
        SecretFileUnsafeError,
      )
    }
  })
})
