import type { IncomingMessage, ServerResponse } from 'node:http'
import type { World } from '../../protocol/world.ts'
import type { ApiReply } from './api-reply.ts'

export interface Sending {
  world: World
  /** The service is stopping: the connection ends with this reply. */
  isLast: boolean
}

/** Node joins a text to the head of its reply before it encodes both; bytes of a long one are cheaper, in characters. */
const longText = 16_384

/**
 * Writes a reply; if the client cannot be given it, `onUndelivered` hears of that. A long body
 * that was not read to its end closes the connection behind the reply.
 */
export function sendReply(
  request: IncomingMessage,
  response: ServerResponse,
  reply: ApiReply,
  { world, isLast }: Sending,
): void {
  const { onUndelivered } = reply
  if (response.destroyed || request.socket.destroyed) {
    onUndelivered?.()
    return
  }
  if (onUndelivered !== undefined) {
    response.once('close', () => {
      if (!response.writableFinished) onUndelivered()
    })
  }
  const text = reply.body ?? ''
  const body = text.length > longText ? Buffer.from(text) : text
  // Clients measure their clocks by this header: it is the clock by which messages and URLs end.
  const headers: Record<string, string | number> = { Date: httpDate(world.now()) }
  if (reply.status !== 204) {
    headers['Content-Type'] = 'application/json'
    headers['Content-Length'] = Buffer.byteLength(body)
  }
  Object.assign(headers, reply.headers)
  if (isLast || isLongUnread(request)) headers['Connection'] = 'close'
  response.sendDate = false
  response.writeHead(reply.status, headers)
  response.end(text === '' || request.method === 'HEAD' ? undefined : body)
}

/** Node drops the rest of an unread body by itself; a long one is not worth waiting for. */
function isLongUnread(request: IncomingMessage): boolean {
  if (request.complete) return false
  const { headers } = request
  return (
    headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 65_536
  )
}

let lastSecond = Number.NaN
let lastText = ''

/** Formatted once a second, not once a request. */
function httpDate(now: Date): string {
  const second = Math.floor(now.getTime() / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    lastText = now.toUTCString()
  }
  return lastText
}
