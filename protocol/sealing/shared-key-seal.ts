import { openCompact, sealCompact } from './compact-jwe.ts'
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

/**
 * Seals raw bytes under a 256-bit key that both ends know (JWE `dir` with A256GCM): one symmetric pass, a fresh nonce each.
 */
export async function sealUnderKey(
  payload: Uint8Array,
  placement: Placement,
  key: Uint8Array,
): Promise<Envelope> {
  const { type, keyId, place } = placement
  const header = { ...place, alg: 'dir', enc: 'A256GCM', typ: type, kid: keyId }
  return toEnvelope(sealCompact(payload, header, key))
}

/**
 * Opens what `sealUnderKey` sealed.
 *
 * @throws {SealBrokenError} truncated, altered, or sealed under another key.
 */
export async function openUnderKey(message: SealedMessage, key: Uint8Array): Promise<Uint8Array> {
  try {
    requireOurWay(message.header)
    return openCompact(message.sealed, key)
  } catch (cause) {
    throw new SealBrokenError(`the seal for ${message.keyId} does not open; drop the message`, {
      cause,
    })
  }
}

/** No header can choose another algorithm, nor ask for something that we do not do. */
function requireOurWay({ alg, enc, crit, zip }: SealedMessage['header']): void {
  if (alg === 'dir' && enc === 'A256GCM' && crit === undefined && zip === undefined) return
  throw new TypeError('the header asks for another way of sealing')
}
