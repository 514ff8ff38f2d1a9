import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { z } from 'zod'
import { PublicKey } from '../messages/enrolment.ts'

/** A private key on Curve25519 as a JWK. Belongs in a 0600 file or an encrypted row, never in a message or a log. */
export const PrivateKey = z.looseObject({
  kty: z.literal('OKP'),
  crv: z.enum(['Ed25519', 'X25519']),
  x: z.base64url(),
  d: z.base64url(),
})
export type PrivateKey = z.output<typeof PrivateKey>

/** A key ready for use, with the id (RFC 7638 thumbprint of the public part) under which messages name it. */
export interface Key {
  id: string
  key: KeyObject
}

/** Makes a new key: `Ed25519` for signing, `X25519` for being sealed to. */
export async function generatePrivateKey(curve: 'Ed25519' | 'X25519'): Promise<PrivateKey> {
  const { privateKey } =
    curve === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('x25519')
  return PrivateKey.parse(privateKey.export({ format: 'jwk' }))
}

/** The part that others may know. */
export function publicPart({ kty, crv, x }: PrivateKey): PublicKey {
  return { kty, crv, x }
}

/**
 * Imports a public or a private key once, for many uses.
 *
 * @throws it is no key on its curve.
 */
export async function importKey(jwk: PublicKey | PrivateKey): Promise<Key> {
  const { kty, crv, x, d } = jwk
  const key =
    d === undefined
      ? createPublicKey({ key: { kty, crv, x }, format: 'jwk' })
      : createPrivateKey({ key: { kty, crv, x, d }, format: 'jwk' })
  return { id: await keyId(jwk), key }
}

/** The RFC 7638 thumbprint (SHA-256) of the public part: its required members, in the order of their names. */
export async function keyId({
  kty,
  crv,
  x,
}: Pick<PublicKey, 'kty' | 'crv' | 'x'>): Promise<string> {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url')
}
