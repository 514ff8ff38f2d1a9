import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import type { World } from '../../protocol/world.ts'
import { StoreUnusableError } from '../errors.ts'

/** Seals secrets that lie in the database, under a key that does not. */
export interface StoreKey {
  /** @param place table, column and row, such as `clusters.signing_key:ID`: a sealed value opens only where it belongs. */
  seal: (secret: Uint8Array, place: string) => Uint8Array
  /** @throws {StoreUnusableError} altered, moved to another row, or sealed under another key. */
  open: (sealed: Uint8Array, place: string) => Uint8Array
  /** A keyed digest, of texts that may be guessable. */
  digest: (text: string) => Uint8Array
  /** 256 bits that nobody can foretell who has not the key, and that are the same for the same text. */
  challenge: (text: string) => Uint8Array
}

const nonceBytes = 12
const tagBytes = 16

/** AES-256-GCM and HMAC-SHA256 under keys derived (HKDF, RFC 5869) from one 256-bit key; Node's own, none of ours. */
export function createStoreKey(master: Uint8Array, world: Pick<World, 'randomBytes'>): StoreKey {
  const sealingKey = deriveKey(master, 'sahara-controller store sealing')
  const digestKey = deriveKey(master, 'sahara-controller store digest')
  const challengeKey = deriveKey(master, 'sahara-controller enrolment challenge')
  return {
    seal: (secret, place) => {
      const nonce = world.randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce).setAAD(Buffer.from(place))
      const sealed = Buffer.concat([cipher.update(secret), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
    },
    open: (sealed, place) => {
      const nonce = sealed.subarray(0, nonceBytes)
      const tag = sealed.subarray(nonceBytes, nonceBytes + tagBytes)
      try {
        const decipher = createDecipheriv('aes-256-gcm', sealingKey, nonce, {
          authTagLength: tagBytes,
        })
        decipher.setAAD(Buffer.from(place)).setAuthTag(tag)
        const rest = sealed.subarray(nonceBytes + tagBytes)
        return Buffer.concat([decipher.update(rest), decipher.final()])
      } catch (cause) {
        throw new StoreUnusableError(
          `${place} does not open with store.key; put back the key and the database of one backup`,
          { cause },
        )
      }
    },
    digest: (text) => createHmac('sha256', digestKey).update(text).digest(),
    challenge: (text) => createHmac('sha256', challengeKey).update(text).digest(),
  }
}

function deriveKey(master: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', master, new Uint8Array(), purpose, 32))
}
