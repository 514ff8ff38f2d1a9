import type { Dispatcher } from 'undici'
import type { World } from '../world.ts'
import { ReplyUnparsableError } from './errors.ts'
import { parseHttpDate } from './parse-http-dates.ts'

/** A whole answer, within the bound, not yet understood. */
export interface Reply {
  status: number
  header: (name: string) => string | undefined
  bytes: Buffer
  /** From the `Date` header; `undefined` when there is none, or it is no date. */
  serverTime: Date | undefined
  /** The monotonic clock when the answer was complete, in milliseconds. */
  receivedAtMs: number
}

/**
 * Reads an answer to its end, or to `limitBytes`: a hostile server must not fill a guest's memory.
 *
 * @throws {ReplyUnparsableError} the body is over the limit; the connection is closed.
 */
export async function readReply(
  response: Dispatcher.ResponseData,
  { action, limitBytes }: { action: string; limitBytes: number },
  world: Pick<World, 'monotonicMs'>,
): Promise<Reply> {
  const { statusCode: status, headers } = response
  const header = (name: string) => {
    const value = headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }
  const bytes = await readBounded(response.body, limitBytes)
  if (bytes === undefined) {
    throw new ReplyUnparsableError(action, `it is over ${limitBytes} bytes`, { status })
  }
  const receivedAtMs = world.monotonicMs()
  return { status, header, bytes, serverTime: parseHttpDate(header('date')), receivedAtMs }
}

async function readBounded(
  body: AsyncIterable<Uint8Array>,
  limitBytes: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    // Leaving the loop destroys the body and its connection.
    if (size > limitBytes) return undefined
    chunks.push(chunk)
  }
  const [only] = chunks
  if (only !== undefined && chunks.length === 1) {
    return Buffer.from(only.buffer, only.byteOffset, only.length)
  }
  return Buffer.concat(chunks, size)
}
