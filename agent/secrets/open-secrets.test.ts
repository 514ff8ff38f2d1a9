import { randomUUID } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { generatePrivateKey, importKey, publicPart } from '../../protocol/sealing/keys.ts'
import { sealSecret } from '../../protocol/sealing/seal-secret.ts'
import { hasMemory } from './fixtures/has-memory.ts'
import { openSecrets } from './open-secrets.ts'
import { findSecretsHome, removeAllSecrets, secretsHomes } from './secret-files.ts'

const own = await generatePrivateKey('X25519')
const agent = await importKey(own)
const reader = await importKey(publicPart(own))
const id: string = randomUUID()

let stateDirectory: string
beforeEach(() => {
  stateDirectory = mkdtempSync(join(tmpdir(), 'sahara-open-secrets-'))
})
afterEach(() => {
  removeAllSecrets(secretsHomes(stateDirectory))
  rmSync(stateDirectory, { recursive: true, force: true })
})

const sealed = async (value: string, command = id) => ({
  db: {
    sealed: await sealSecret(Buffer.from(value), { command, name: 'db' }, reader),
    via: 'fd' as const,
  },
})
const open = async (value: string, command?: string, key = agent) =>
  openSecrets(id, await sealed(value, command), { stateDirectory, agent: key })

describe('the secrets of a command that begins', () => {
  test.runIf(hasMemory)('are opened, for a directory in memory', async () => {
    const home = findSecretsHome(stateDirectory) ?? ''
    const value = Uint8Array.from(Buffer.from('hunter2'))
    expect(await open('hunter2')).toEqual({ home, values: [{ name: 'db', value, via: 'fd' }] })
    expect(statSync(home).mode & 0o777).toBe(0o711)
  })

  test.for([
    ['that are of another command', 'hunter2', randomUUID(), 'secret-unreadable'],
    ['that are too short to be redacted', ' ab\n', undefined, 'secret-too-short'],
    ['that are too large', 'x'.repeat(32_769), undefined, 'secrets-too-large'],
  ] as const)('%s keep it from beginning', async ([, value, command, code]) => {
    const opened = await open(value, command)
    expect(opened).toMatchObject({ problem: { code } })
    expect(JSON.stringify(opened)).not.toContain('hunter2')
  })

  test('that were sealed to an earlier key of the instance keep it from beginning', async () => {
    const other = await importKey(await generatePrivateKey('X25519'))
    expect(await open('hunter2', id, other)).toMatchObject({
      problem: { code: 'secret-unreadable' },
    })
  })
})

describe.runIf(hasMemory)('the directory in memory', () => {
  test('is not one that others may write to, nor a link', () => {
    const home = findSecretsHome(stateDirectory) ?? ''
    chmodSync(home, 0o777)
    expect(findSecretsHome(stateDirectory)).not.toBe(home)
    rmSync(home, { recursive: true })
    symlinkSync(stateDirectory, home)
    expect(findSecretsHome(stateDirectory)).not.toBe(home)
    rmSync(home)
  })
})
