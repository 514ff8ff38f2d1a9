import {
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { z } from 'zod'
import { openCompact, readHeader, sealCompact } from './compact-jwe.ts'
import type { Key } from './keys.ts'

const way = { alg: 'ECDH-ES', enc: 'A256GCM' } as const

/**
 * Seals bytes to one reader's X25519 key: a compact JWE, ECDH-ES over X25519 with A256GCM (RFC 7518 section 4.6, RFC 8037
 * section 3.2), by a key that is made for it and forgotten.
 *
 * @param header what else the seal is to prove.
 * @throws the reader's key is of low order: no secret can be agreed on with it (RFC 7748 section 6.1).
 */
export function sealToReader(
  bytes: Uint8Array,
  header: Readonly<Record<string, unknown>>,
  reader: Key,
): string {
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  const { x } = publicKey.export({ format: 'jwk' })
  const epk = { kty: 'OKP', crv: 'X25519', x }
  const contentKey = deriveContentKey(privateKey, reader.key)
  return sealCompact(bytes, { ...header, ...way, kid: reader.id, epk }, contentKey)
}

/**
 * Opens what was sealed to the reader. The algorithms are fixed: no header can choose others, nor ask for something that we do
 * not do.
 *
 * @throws truncated, altered, sealed in another way, or to another key.
 */
export function openAsReader(
  jwe: string,
  reader: Key,
): { bytes: Uint8Array; header: Readonly<Record<string, unknown>> } {
  const header = readHeader(jwe)
  const { epk } = OurWay.parse(header)
  const theirs = createPublicKey({ key: epk, format: 'jwk' })
  return { bytes: openCompact(jwe, deriveContentKey(reader.key, theirs)), header }
}

const OurWay = z.looseObject({
  alg: z.literal(way.alg),
  enc: z.literal(way.enc),
  epk: z.object({ kty: z.literal('OKP'), crv: z.literal('X25519'), x: z.string().length(43) }),
  apu: z.undefined().optional(),
  apv: z.undefined().optional(),
  crit: z.undefined().optional(),
  zip: z.undefined().optional(),
})

/** Concat KDF of one round with SHA-256 (RFC 7518 section 4.6.2); it names the cipher, and no parties. */
function deriveContentKey(privateKey: KeyObject, publicKey: KeyObject): Uint8Array {
  return createHash('sha256')
    .update(firstRound)
    .update(diffieHellman({ privateKey, publicKey }))
    .update(otherInfo)
    .digest()
}

const firstRound = bigEndian(1)
const noParty = bigEndian(0)
const keyBits = bigEndian(256)
const otherInfo = Buffer.concat([
  bigEndian(way.enc.length),
  Buffer.from(way.enc),
  noParty,
  noParty,
  keyBits,
])

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
