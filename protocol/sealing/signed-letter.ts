import { sign, verify } from 'node:crypto'
import { z } from 'zod'
import { SaharaAgentError } from '../errors.ts'
import { decodeBase64url, parseJsonObject } from './compact-jwe.ts'
import { type Envelope, type MessageType, type SealedMessage, toEnvelope } from './envelope.ts'
import { MessageMalformedError, SealBrokenError } from './errors.ts'
import type { Key } from './keys.ts'
import { openAsReader, sealToReader } from './reader-seal.ts'

/**
 * Signs a payload (JWS, EdDSA) and seals the signature to one reader (JWE, ECDH-ES over X25519 with A256GCM).
 *
 * The JWS is in the general JSON form (RFC 7515 section 7.2.1), which has room for a second signature beside the first:
 * by a key that the tenant holds, once a policy demands it.
 */
export async function sealLetter(
  type: MessageType,
  bytes: Uint8Array,
  { signer, reader }: { signer: Key; reader: Key },
): Promise<Envelope> {
  const header = JSON.stringify({ alg: 'EdDSA', typ: type, kid: signer.id })
  const [protectedHeader, payload] = [Buffer.from(header), Buffer.from(bytes)].map((part) =>
    part.toString('base64url'),
  )
  const signature = sign(null, Buffer.from(`${protectedHeader}.${payload}`), signer.key)
  const jws = {
    payload,
    signatures: [{ signature: signature.toString('base64url'), protected: protectedHeader }],
  }
  return toEnvelope(sealToReader(Buffer.from(JSON.stringify(jws)), { typ: type }, reader))
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
  const jws = Jws.safeParse(decryptJson(message, reader))
  if (!jws.success) throw new MessageMalformedError('the sealed letter holds no signature')
  const { payload, signatures } = jws.data
  const bytes = decodePayload(payload)
  const signer = await findSignerOf(bytes, findSigner)
  const valid = signatures.find((signature) => isSignedBy(signer, payload, signature))
  if (valid === undefined) {
    throw new SealBrokenError(`no valid signature by key ${signer.id}; drop the message`)
  }
  if (parseJsonObject(decodeBase64url(valid.protected))['typ'] === message.type) return bytes
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

const Signature = z.object({ protected: z.string(), signature: z.string() })
const Jws = z.object({ payload: z.string(), signatures: z.array(Signature).min(1).max(4) })

/** Whether this is a signature by the key, made in our way. */
function isSignedBy(
  { key }: Key,
  payload: string,
  { protected: header, signature }: z.output<typeof Signature>,
): boolean {
  try {
    const { alg, crit } = parseJsonObject(decodeBase64url(header))
    if (alg !== 'EdDSA' || crit !== undefined) return false
    return verify(null, Buffer.from(`${header}.${payload}`), key, decodeBase64url(signature))
  } catch {
    return false
  }
}

function decryptJson({ sealed }: SealedMessage, reader: Key): unknown {
  try {
    return parseJsonObject(openAsReader(sealed, reader).bytes)
  } catch (cause) {
    throw new SealBrokenError(`the seal does not open with key ${reader.id}; drop the message`, {
      cause,
    })
  }
}

function decodePayload(payload: string): Uint8Array {
  try {
    return decodeBase64url(payload)
  } catch (cause) {
    throw new MessageMalformedError('the signed payload is not base64url', { cause })
  }
}
