import type { z } from 'zod'
import { ReplyUnparsableError } from './errors.ts'
import { quoteForeignText } from './quote-foreign-text.ts'
import type { Reply } from './read-reply.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads an answer's JSON by a schema.
 *
 * @throws {ReplyUnparsableError} it does not fit. A body that claims to be JSON may be one of ours, with
 *   message bodies in it, and is not quoted.
 */
export function parseReply<Schema extends z.ZodType>(
  schema: Schema,
  reply: Reply,
  context: { action: string; secrets: readonly string[] },
): z.output<Schema> {
  const { action } = context
  const { status } = reply
  const json = parseJson(reply.bytes)
  if (!json.ok) {
    throw new ReplyUnparsableError(action, describeForeign(reply, context.secrets), { status })
  }
  const parsed = schema.safeParse(json.value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.map(String).join('.') || 'the whole'
  const problem = quoteForeignText(`its JSON does not fit, ${where}: ${issue?.message}`, [])
  throw new ReplyUnparsableError(action, problem, { status, cause: parsed.error })
}

/** Bytes as JSON; broken UTF-8 is no JSON. */
export function parseJson(bytes: Uint8Array): { ok: true; value: unknown } | { ok: false } {
  try {
    return { ok: true, value: JSON.parse(utf8.decode(bytes)) }
  } catch {
    return { ok: false }
  }
}

/** Says what came instead of JSON, with its beginning when it cannot be one of ours. */
export function describeForeign(reply: Reply, secrets: readonly string[]): string {
  const type = quoteForeignText(reply.header('content-type') ?? 'no content type', secrets)
  const size = `${reply.bytes.length} bytes of ${type}, status ${reply.status}`
  if (reply.bytes.length === 0 || /json/i.test(type)) return size
  return `${size}: "${quoteForeignText(reply.bytes.toString('utf8', 0, 8192), secrets)}"`
}
