import { z } from 'zod'
import { protocolVersion } from '../messages/wire-types.ts'
import { MessageMalformedError, MessageVersionError } from './errors.ts'

/** Writes a payload as its schema has it on the wire. */
export function writePayload<T extends z.ZodType>(schema: T, value: z.output<T>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(z.encode(schema, value)))
}

/**
 * Parses an opened payload.
 *
 * @throws {MessageVersionError} the payload says `v` of another version.
 * @throws {MessageMalformedError} not JSON, or it breaks the schema; the message names the key, never the value.
 */
export function readPayload<T extends z.ZodType>(schema: T, payload: Uint8Array): z.output<T> {
  const json = parseJson(payload)
  const version = Versioned.safeParse(json)
  if (version.success && version.data.v !== undefined && version.data.v !== protocolVersion) {
    throw new MessageVersionError(
      `the payload has protocol version ${version.data.v}, and this program speaks ${protocolVersion}`,
    )
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const keys = parsed.error.issues.map((issue) => issue.path.join('.') || '(root)')
  throw new MessageMalformedError(`the payload breaks its schema at ${keys.slice(0, 8).join(', ')}`)
}

const Versioned = z.looseObject({ v: z.int().optional() })

function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch (cause) {
    throw new MessageMalformedError('the payload is not JSON in UTF-8', { cause })
  }
}
