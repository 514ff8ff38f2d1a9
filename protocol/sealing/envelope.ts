import { z } from 'zod'
import { protocolVersion } from '../messages/wire-types.ts'
import { readHeader } from './compact-jwe.ts'
import { MessageMalformedError, MessageVersionError } from './errors.ts'

/** What a message is. It stands in the protected header, so that one kind can never be passed off as another. */
export const MessageType = z.enum([
  'sahara-command',
  'sahara-input',
  'sahara-hello',
  'sahara-welcome',
  'sahara-reply',
  'sahara-report',
])
export type MessageType = z.output<typeof MessageType>

/** The body of every message on a queue: a version, and a compact JWE (RFC 7516). */
export interface Envelope {
  v: number
  sealed: string
}

const EnvelopeSchema = z.looseObject({ v: z.int(), sealed: z.string() })
const Header = z.looseObject({ typ: MessageType, kid: z.string().min(1).max(128) })

/** A message before it is opened. Nothing here is proved yet: the header is checked by opening the seal. */
export interface SealedMessage {
  type: MessageType
  /** Whose key opens it: a key's thumbprint, a command's id (replies, input), or an instance's id (reports). */
  keyId: string
  header: Readonly<Record<string, unknown>>
  sealed: string
}

/**
 * Reads what a queue handed over, without any key.
 *
 * @throws {MessageVersionError} another version of the protocol.
 * @throws {MessageMalformedError} anything else that is not one of our messages.
 */
export function readEnvelope(body: unknown): SealedMessage {
  const envelope = EnvelopeSchema.safeParse(body)
  if (!envelope.success) throw new MessageMalformedError('the message is not an envelope of ours')
  const { v, sealed } = envelope.data
  if (v !== protocolVersion) {
    throw new MessageVersionError(
      `the message has protocol version ${v}, and this program speaks ${protocolVersion}; upgrade the older end`,
    )
  }
  const header = Header.safeParse(decodeHeader(sealed))
  if (!header.success) throw new MessageMalformedError('the seal has no header of ours')
  return { type: header.data.typ, keyId: header.data.kid, header: header.data, sealed }
}

/** Wraps a seal into what is posted. */
export function toEnvelope(sealed: string): Envelope {
  return { v: protocolVersion, sealed }
}

function decodeHeader(sealed: string): unknown {
  try {
    return readHeader(sealed)
  } catch (cause) {
    throw new MessageMalformedError('the seal is not a compact JWE', { cause })
  }
}
