import type { IncomingMessage } from 'node:http'
import { invalidBody, invalidRequest } from './api-reply.ts'

/** The client went away in the middle of its request: there is nobody to answer. */
export class ClientGone extends Error {}

/** An oversize body of up to this many times the limit is read and dropped, so that the client gets to see the refusal. */
const drainFactor = 4

/**
 * Reads a request body, of `limitBytes` at most by its Content-Length and by what really comes.
 *
 * @throws {Refusal} too long, or not UTF-8.
 * @throws {ClientGone} it ended in the middle.
 */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<string> {
  // Made without a stream (`optimizeEmptyRequests`): no event would come.
  if (request.readableEnded) return ''
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > limitBytes * drainFactor) throw tooLong(limitBytes)
  const chunks: Buffer[] = []
  let size = 0
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= limitBytes) chunks.push(chunk)
    else if (size > limitBytes * drainFactor) reject(tooLong(limitBytes))
  })
  request.once('end', resolve)
  request.once('close', () => {
    if (!request.complete) reject(new ClientGone())
  })
  await promise
  if (size > limitBytes) throw tooLong(limitBytes)
  // The listeners live as long as the request, until it is answered: what was read need not.
  return decode(chunks.splice(0))
}

function decode(chunks: readonly Buffer[]): string {
  const [first] = chunks
  const bytes = first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks)
  try {
    return utf8.decode(bytes)
  } catch {
    throw invalidBody('Request body is not UTF-8.')
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function tooLong(limitBytes: number) {
  return invalidRequest(`Request body is too large. Max size ${limitBytes}`)
}
