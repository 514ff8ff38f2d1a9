import { createHash, sign } from 'node:crypto'
import {
  CompactEncrypt,
  calculateJwkThumbprint,
  compactDecrypt,
  GeneralSign,
  generalVerify,
} from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { sealCompact } from './compact-jwe.ts'
import { readEnvelope, toEnvelope } from './envelope.ts'
import { generatePrivateKey, importKey, type Key, publicPart } from './keys.ts'
import { openLetter, sealLetter } from './signed-letter.ts'

/** Our own words in JOSE's formats, held against `jose`, which was written by somebody else. */
const payload = Buffer.from('{"v":1}')
const type = 'sahara-command'

interface Party {
  own: Key
  known: Key
}
let signer: Party
let reader: Party

beforeAll(async () => {
  signer = await aParty('Ed25519')
  reader = await aParty('X25519')
})

describe('a letter', () => {
  test('is a JWS in a JWE, which another library opens and verifies', async () => {
    const { sealed } = await sealLetter(type, payload, { signer: signer.own, reader: reader.known })
    const { plaintext, protectedHeader } = await compactDecrypt(sealed, reader.own.key)
    expect(protectedHeader).toMatchObject({ alg: 'ECDH-ES', enc: 'A256GCM', kid: reader.own.id })
    const jws = JSON.parse(new TextDecoder().decode(plaintext))
    const verified = await generalVerify(jws, signer.known.key)
    expect(Buffer.from(verified.payload)).toEqual(payload)
    expect(verified.protectedHeader).toEqual({ alg: 'EdDSA', typ: type, kid: signer.own.id })
  })

  test('opens when another library has signed and sealed it', async () => {
    expect(await open(await seal(await signed()))).toEqual(payload)
  })

  test('opens by the second of two signatures, and not by a stranger’s alone', async () => {
    const stranger = await aParty('Ed25519')
    const both = { ...(await signed(stranger)) }
    const { signatures } = await signed()
    const strangers = await open(await seal(both)).catch(codeOf)
    expect(strangers).toBe('ERR_SEAL_BROKEN')
    expect(
      await open(await seal({ ...both, signatures: [...both.signatures, ...signatures] })),
    ).toEqual(payload)
  })

  test.for([
    ['a sender’s information', { apu: new Uint8Array([1]) }, {}],
    ['a reader’s information', { apv: new Uint8Array([1]) }, {}],
    ['another cipher', {}, { enc: 'A128GCM' }],
    ['a wrapped key', {}, { alg: 'ECDH-ES+A256KW' }],
    ['an extension that must be understood', {}, { crit: ['exp'], exp: 1 }],
  ] as const)('is refused with %s, though it was sealed to us', async ([, parameters, header]) => {
    const sealed = await seal(await signed(), { parameters, header })
    expect(await open(sealed).catch(codeOf)).toBe('ERR_SEAL_BROKEN')
  })

  test.for([
    ['no algorithm', { alg: 'none', typ: type }],
    ['another algorithm', { alg: 'HS256', typ: type }],
    ['an extension that must be understood', { alg: 'EdDSA', typ: type, crit: ['b64'], b64: true }],
    ['another type', { alg: 'EdDSA', typ: 'sahara-welcome' }],
  ] as const)('is refused when its signature names %s', async ([, header]) => {
    const jws = await signed(signer, header)
    expect(await open(await seal(jws)).catch(codeOf)).toBe('ERR_SEAL_BROKEN')
  })

  test('is refused when anybody can agree on the same key: an ephemeral one of low order gives zeros', async () => {
    const epk = { kty: 'OKP', crv: 'X25519', x: 'A'.repeat(43) }
    const header = { alg: 'ECDH-ES', enc: 'A256GCM', typ: type, kid: 'reader', epk }
    const text = Buffer.from(JSON.stringify(await signed()))
    const sealed = sealCompact(text, header, keyOfSharedSecret(new Uint8Array(32)))
    expect(await open(toEnvelope(sealed)).catch(codeOf)).toBe('ERR_SEAL_BROKEN')
  })
})

test('a key has the id that another library gives it', async () => {
  expect(signer.known.id).toBe(await calculateJwkThumbprint(signer.known.key))
})

async function aParty(curve: 'Ed25519' | 'X25519'): Promise<Party> {
  const jwk = await generatePrivateKey(curve)
  return { own: await importKey(jwk), known: await importKey(publicPart(jwk)) }
}

async function open(envelope: { v: number; sealed: string }): Promise<Uint8Array> {
  const bytes = await openLetter(readEnvelope(envelope), reader.own, async () => signer.known)
  return Buffer.from(bytes)
}

interface Signed {
  payload: string
  signatures: { protected?: string; signature: string }[]
}

/** By `jose`; a header that it would not sign stands beside a signature that is good for it all the same. */
async function signed(by: Party = signer, header?: Record<string, unknown>): Promise<Signed> {
  if (header === undefined) {
    const jws = new GeneralSign(payload).addSignature(by.own.key)
    return await jws.setProtectedHeader({ alg: 'EdDSA', typ: type }).sign()
  }
  const [protectedHeader, body] = [Buffer.from(JSON.stringify(header)), payload].map((part) =>
    part.toString('base64url'),
  )
  const signature = sign(null, Buffer.from(`${protectedHeader}.${body}`), by.own.key)
  return {
    payload: body ?? '',
    signatures: [{ protected: protectedHeader ?? '', signature: signature.toString('base64url') }],
  }
}

async function seal(
  jws: Signed,
  {
    parameters = {},
    header = {},
  }: { parameters?: { apu?: Uint8Array; apv?: Uint8Array }; header?: Record<string, unknown> } = {},
): Promise<{ v: number; sealed: string }> {
  const encrypt = new CompactEncrypt(Buffer.from(JSON.stringify(jws)))
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', typ: type, kid: 'reader', ...header })
    .setKeyManagementParameters(parameters)
  return toEnvelope(await encrypt.encrypt(reader.known.key, { crit: { exp: true } }))
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : error
}

/** RFC 7518 section 4.6.2, written down as its example C does it. */
function keyOfSharedSecret(secret: Uint8Array): Uint8Array {
  const names = [0, 0, 0, 7, ...Buffer.from('A256GCM')]
  const otherInfo = [...names, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
  return createHash('sha256')
    .update(Buffer.from([0, 0, 0, 1, ...secret, ...otherInfo]))
    .digest()
}
