import { randomBytes } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { describe, expect, test } from 'vitest'
import { readEnvelope } from './envelope.ts'
import { openUnderKey, sealUnderKey } from './shared-key-seal.ts'

const key = randomBytes(32)
const payload = new Uint8Array(randomBytes(184_320))
const placement = { type: 'sahara-reply', keyId: 'a command', place: { offset: 7 } } as const
const header = { ...placement.place, alg: 'dir', enc: 'A256GCM', typ: placement.type, kid: 'a' }

const open = async (sealed: string) => await openUnderKey(readEnvelope({ v: 1, sealed }), key)

describe('what is sealed under a shared key', () => {
  test('is a compact JWE, which any library opens', async () => {
    const { sealed } = await sealUnderKey(payload, placement, key)
    const { plaintext, protectedHeader } = await compactDecrypt(sealed, key)
    expect(Buffer.from(payload).equals(plaintext)).toBe(true)
    expect(protectedHeader).toEqual({ ...header, kid: placement.keyId })
  })

  test('opens when any library has sealed it', async () => {
    const sealed = await new CompactEncrypt(payload).setProtectedHeader(header).encrypt(key)
    expect(Buffer.from(payload).equals(await open(sealed))).toBe(true)
  })

  test('may be empty', async () => {
    const { sealed } = await sealUnderKey(new Uint8Array(), placement, key)
    expect(await open(sealed)).toEqual(new Uint8Array())
  })

  test.for([
    ['padding', (sealed: string) => `${sealed}=`],
    ['white space', (sealed: string) => `${sealed} `],
    ['a key of its own', (sealed: string) => sealed.replace('..', '.AAAA.')],
    ['a shorter tag', (sealed: string) => sealed.slice(0, -6)],
    ['no tag', (sealed: string) => sealed.slice(0, sealed.lastIndexOf('.') + 1)],
    ['no nonce', (sealed: string) => sealed.replace(/\.\.[^.]*\./, '...')],
  ] as const)('is refused with %s', async ([, spoil]) => {
    const { sealed } = await sealUnderKey(Buffer.from('text'), placement, key)
    await expect(open(spoil(sealed))).rejects.toMatchObject({ code: 'ERR_SEAL_BROKEN' })
  })

  test.for([
    ['another key management', { alg: 'A256GCMKW' }],
    ['another cipher', { enc: 'A128GCM' }],
    ['compression', { zip: 'DEF' }],
    ['an extension that must be understood', { crit: ['exp'], exp: 1 }],
  ] as const)('is refused when its header asks for %s', async ([, more]) => {
    const { sealed } = await sealUnderKey(Buffer.from('text'), placement, key)
    const message = readEnvelope({ v: 1, sealed })
    const asking = { ...message, header: { ...message.header, ...more } }
    await expect(openUnderKey(asking, key)).rejects.toMatchObject({ code: 'ERR_SEAL_BROKEN' })
  })
})
