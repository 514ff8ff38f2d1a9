import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { SealBrokenError } from './errors.ts'
import { generatePrivateKey, importKey, publicPart } from './keys.ts'
import { sealToReader } from './reader-seal.ts'
import { openSecret, sealSecret } from './seal-secret.ts'

const own = await generatePrivateKey('X25519')
const agent = await importKey(own)
const place = { command: randomUUID(), name: 'db-password' }
const reader = await importKey(publicPart(own))
const sealed = await sealSecret(Buffer.from('hunter2'), place, reader)
const letter = sealToReader(Buffer.from('hunter2'), { typ: 'sahara-command' }, reader)

describe('a sealed secret', () => {
  test('opens for the instance and the command that it was sealed for', async () => {
    expect(Buffer.from(await openSecret(sealed, place, agent)).toString()).toBe('hunter2')
    expect(Buffer.from(sealed).toString('latin1')).not.toContain('hunter2')
  })

  test.for([
    ['in another command', sealed, { ...place, command: randomUUID() }],
    ['under another name', sealed, { ...place, name: 'other' }],
    ['when it was altered', `${sealed.slice(0, -2)}AA`, place],
    ['when it is another kind of seal', letter, place],
    ['when it is none', 'hunter2', place],
  ] as const)('does not open %s', async ([, text, where]) => {
    const failure = await openSecret(text, where, agent).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(SealBrokenError)
    expect(String(failure)).not.toContain('hunter2')
  })

  test('does not open with another key', async () => {
    const other = await importKey(await generatePrivateKey('X25519'))
    await expect(openSecret(sealed, place, other)).rejects.toThrow(SealBrokenError)
  })
})
