import { createReadStream } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { isIP } from 'node:net'
import { errnoOf } from '../runner/command-record.ts'
import type { HttpTarget } from './http-target.ts'
import { OperationFailure } from './operation-failure.ts'

/** What is sent. */
export interface HttpRequest {
  method: string
  headers: readonly (readonly [string, string])[]
  /** The body's file and its size; null for none. */
  body: { path: string; sizeBytes: number } | null
}

/** What came back, but for the body. */
export interface HttpAnswer {
  status: number
  /** The reason phrase; HTTP servers may leave it empty. */
  reason: string
  /** As they came: repeated ones stand repeatedly. */
  headers: [string, string][]
}

/** All headers of an answer together, in bytes: they travel in the result, which is one message. */
const headerLimitBytes = 32 * 1024

/**
 * Makes one request, follows no redirect, and gives the body to `take` as it comes, not decompressed.
 *
 * @throws {OperationFailure} no whole answer came; its reason says why.
 * @throws what `take` throws, and the signal's reason.
 */
export async function exchange(
  target: HttpTarget,
  asked: HttpRequest,
  take: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  for (const [index, address] of target.addresses.entries()) {
    try {
      return await exchangeAt(address, target, asked, take, signal)
    } catch (error) {
      signal.throwIfAborted()
      const isLast = index === target.addresses.length - 1
      // `localhost` is two addresses, and many servers listen on one only. Nothing was sent there.
      if (errnoOf(error) === 'ECONNREFUSED' && !isLast) continue
      throw explainExchange(error, target)
    }
  }
  throw new Error('a target has an address')
}

async function exchangeAt(
  address: string,
  { isSecure, hostName, port, path, host }: HttpTarget,
  { method, headers, body }: HttpRequest,
  take: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const request = (isSecure ? requestSecure : requestPlain)({
    host: address,
    port,
    path,
    method,
    setHost: false,
    agent: false,
    maxHeaderSize: headerLimitBytes,
    signal,
    // The peer is this very machine, whose packets to itself take no way on which somebody could stand between; services
    // of a cluster have certificates of their own making, for other names.
    rejectUnauthorized: false,
    ...(isIP(hostName) === 0 ? { servername: hostName } : {}),
  })
  try {
    for (const [name, value] of endToEndHeaders(headers)) request.appendHeader(name, value)
    if (!request.hasHeader('host')) request.setHeader('Host', host)
    const answered = untilAnswer(request)
    sendBody(request, body)
    const response = await answered
    for await (const chunk of response) if (chunk instanceof Uint8Array) await take(chunk)
    return {
      status: response.statusCode ?? 0,
      reason: response.statusMessage ?? '',
      headers: toPairs(response.rawHeaders),
    }
  } finally {
    request.destroy()
  }
}

/** These are about one connection, and ours to choose (RFC 9110, section 7.6.1). The length is that of the content. */
const hopByHop = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function endToEndHeaders(headers: HttpRequest['headers']): HttpRequest['headers'] {
  return headers.filter(([name]) => !hopByHop.has(name.toLowerCase()))
}

async function untilAnswer(request: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  request.once('response', resolve)
  request.on('error', reject)
  request.once('upgrade', (_response, socket) => {
    socket.destroy()
    reject(new OperationFailure('not-http', 'it answered with another protocol, unasked'))
  })
  return await promise
}

function sendBody(request: ClientRequest, body: HttpRequest['body']): void {
  if (body === null) {
    request.end()
    return
  }
  request.setHeader('Content-Length', body.sizeBytes)
  const file = createReadStream(body.path, { highWaterMark: 256 * 1024 })
  file.on('error', (error) => request.destroy(error))
  // Whoever refuses before the whole body was sent does not want the rest, and may close any moment; whoever accepts may
  // be answering while it reads.
  request.once('response', ({ statusCode = 0 }) => {
    if (statusCode >= 400) file.unpipe(request)
  })
  request.once('close', () => file.destroy())
  file.pipe(request)
}

function toPairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, index) => [
    raw[2 * index] ?? '',
    raw[2 * index + 1] ?? '',
  ])
}

/** Says in our words why there was no answer; what is not about the exchange stays as it is. */
function explainExchange(error: unknown, { hostName, port }: HttpTarget): unknown {
  if (error instanceof OperationFailure) return error
  const errno = errnoOf(error) ?? ''
  const known = explanations.find(([pattern]) => pattern.test(errno))
  if (!known) return error
  const [, code, message] = known
  return new OperationFailure(code, `port ${port} of "${hostName}": ${message} (${errno})`, {
    cause: error,
  })
}

const explanations = [
  [/^ECONNREFUSED$/, 'connection-refused', 'nothing listens there'],
  [/^(?:ECONNRESET|EPIPE|ECONNABORTED)$/, 'connection-reset', 'the connection was cut'],
  [/^ETIMEDOUT$/, 'connection-timeout', 'no answer came'],
  [/^(?:EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/, 'unreachable', 'it cannot be reached'],
  [/^HPE_HEADER_OVERFLOW$/, 'headers-too-large', `its headers are over ${headerLimitBytes} bytes`],
  [/^HPE_/, 'not-http', 'what it answers is not HTTP'],
  [/^(?:EPROTO|ERR_SSL|ERR_TLS)/, 'tls-failed', 'TLS could not be agreed on'],
  [/^ERR_(?:INVALID|UNESCAPED|HTTP_INVALID)/, 'operation-malformed', 'it cannot be said in HTTP'],
] as const
