import { CompactEncrypt, compactDecrypt, GeneralSign, generalVerify } from 'jose'
import { z } from 'zod'
import { SaharaAgentError } from '../errors.ts'
import { type Envelope, type MessageType, type SealedMessage, toEnvelope } from './envelope.ts'
import { MessageMalformedError, SealBrokenError } from './errors.ts'
import type { Key } from './keys.ts'

/**
 * Signs a payload (JWS, EdDSA) and seals the signature to one reader (JWE, ECDH-ES over X25519 with A256GCM).
 *
 * The JWS is in the general JSON form (RFC 7515 section 7.2.1), which has room for a second signature beside the first:
 * by a key that the tenant holds, once a policy demands it.
 */
export async function sealLetter(
  type: MessageType,
  payload: Uint8Array,
  keys: { signer: Key; reader: Key },
): Promise<Envelope> {
  const jws = await new GeneralSign(payload)
    .addSignature(keys.signer.key)
    .setProtectedHeader({ alg: 'EdDSA', typ: type, kid: keys.signer.id })
    .sign()
  return toEnvelope(
    await sealToReader(new TextEncoder().encode(JSON.stringify(jws)), type, keys.reader),
  )
}

/** Seals bytes to a reader's X25519 key; a letter's are signed before. */
export async function sealToReader(
  bytes: Uint8Array,
  type: MessageType,
  reader: Key,
): Promise<string> {
  return await new CompactEncrypt(bytes)
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', typ: type, kid: reader.id })
    .encrypt(reader.key)
}

/**
 * Opens a letter that must be from `findSigner`'s key. The algorithms are fixed, so that no header can choose a weaker
 * one; the type is inside the signature too, so that a signed welcome can never serve as a command.
 *
 * @param findSigner gives the key that must have signed; it sees the unproved payload, since a hello brings its own key.
 * @throws {SealBrokenError} it does not open with `reader`, or no signature of the expected key is on it.
 */
export async function openLetter(
  message: SealedMessage,
  reader: Key,
  findSigner: (unproved: Uint8Array) => Promise<Key>,
): Promise<Uint8Array> {
  const jws = Jws.safeParse(await decryptJson(message, reader))
  if (!jws.success) throw new MessageMalformedError('the sealed letter holds no signature')
  const signer = await findSignerOf(decodePayload(jws.data.payload), findSigner)
  try {
    const { payload, protectedHeader } = await generalVerify(jws.data, signer.key, {
      algorithms: ['EdDSA'],
    })
    if (protectedHeader?.typ === message.type) return payload
  } catch (cause) {
    throw new SealBrokenError(`no valid signature by key ${signer.id}; drop the message`, { cause })
  }
  throw new SealBrokenError('the signature is on another type of message; drop the message')
}

/** What a sender brings as its key may be anything: a library's complaint about it is a broken seal, too. */
async function findSignerOf(
  unproved: Uint8Array,
  findSigner: (unproved: Uint8Array) => Promise<Key>,
): Promise<Key> {
  try {
    return await findSigner(unproved)
  } catch (cause) {
    if (cause instanceof SaharaAgentError) throw cause
    throw new SealBrokenError('the letter brings a key that is none; drop the message', { cause })
  }
}

const Jws = z.object({
  payload: z.string(),
  signatures: z
    .array(z.object({ protected: z.string(), signature: z.string() }))
    .min(1)
    .max(4),
})

async function decryptJson(message: SealedMessage, reader: Key): Promise<unknown> {
  try {
    const { plaintext } = await compactDecrypt(message.sealed, reader.key, {
      keyManagementAlgorithms: ['ECDH-ES'],
      contentEncryptionAlgorithms: ['A256GCM'],
    })
    return JSON.parse(new TextDecoder().decode(plaintext))
  } catch (cause) {
    throw new SealBrokenError(`the seal does not open with key ${reader.id}; drop the message`, {
      cause,
    })
  }
}

function decodePayload(payload: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(payload, { alphabet: 'base64url' })
  } catch (cause) {
    throw new MessageMalformedError('the signed payload is not base64url', { cause })
  }
}
