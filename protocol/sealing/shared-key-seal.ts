import { CompactEncrypt, compactDecrypt } from 'jose'
import { type Envelope, type MessageType, type SealedMessage, toEnvelope } from './envelope.ts'
import { SealBrokenError } from './errors.ts'

/** Where a message under a shared key belongs: named in the protected header, which the seal proves. */
export interface Placement {
  type: MessageType
  /** The command's id, or the instance's. */
  keyId: string
  /** What places it further, such as `kind` and `offset`. */
  place?: Readonly<Record<string, unknown>>
}

/** Seals raw bytes under a 256-bit key that both ends know (JWE `dir` with A256GCM): one symmetric pass, a fresh nonce each. */
export async function sealUnderKey(
  payload: Uint8Array,
  placement: Placement,
  key: Uint8Array,
): Promise<Envelope> {
  const sealed = await new CompactEncrypt(payload)
    .setProtectedHeader({
      ...placement.place,
      alg: 'dir',
      enc: 'A256GCM',
      typ: placement.type,
      kid: placement.keyId,
    })
    .encrypt(key)
  return toEnvelope(sealed)
}

/**
 * Opens what `sealUnderKey` sealed.
 *
 * @throws {SealBrokenError} truncated, altered, or sealed under another key.
 */
export async function openUnderKey(message: SealedMessage, key: Uint8Array): Promise<Uint8Array> {
  try {
    const { plaintext } = await compactDecrypt(message.sealed, key, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    })
    return plaintext
  } catch (cause) {
    throw new SealBrokenError(`the seal for ${message.keyId} does not open; drop the message`, {
      cause,
    })
  }
}
