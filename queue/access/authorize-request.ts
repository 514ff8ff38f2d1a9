import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { World } from '../../protocol/world.ts'
import { noSuchRoute, Refusal } from '../http/api-reply.ts'
import { verifySignedUrl } from './verify-signed-url.ts'

/** What lets requests in. */
export interface Gate {
  /** Of the operator's token; undefined lets everybody in who can reach the port (`--auth none`). */
  tokenDigest: Buffer | undefined
  signingKey: string
  world: World
}

/** What is asked for. `collection` is empty where no signed URL can lead. */
export interface Asked {
  method: string
  queue: string
  collection: string
}

/**
 * Lets a request in, or throws. The URL-Signature header decides alone where it is present, also when it
 * is empty (OSSA-2026-042): a token beside it is not looked at.
 *
 * @throws {Refusal} 404 for every flaw of a signed URL, so that they cannot be told apart; else 401.
 */
export function authorizeRequest(gate: Gate, headers: IncomingHttpHeaders, asked: Asked): void {
  if (headers['url-signature'] !== undefined) {
    const isAllowed =
      asked.collection !== '' && verifySignedUrl(headers, asked, gate.signingKey, gate.world.now())
    if (!isAllowed) throw noSuchRoute()
    return
  }
  if (gate.tokenDigest === undefined) return
  const given = headers['x-auth-token']
  if (typeof given !== 'string' || !isSecret(given, gate.tokenDigest)) throw unauthorized()
}

/** Digests are compared, in constant time: neither the token nor its length shows in the time it takes. */
function isSecret(given: string, right: Buffer): boolean {
  return timingSafeEqual(digestSecret(given), right)
}

export function digestSecret(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

/** In the form of Keystone's middleware, which is what clients of Zaqar know. */
function unauthorized(): Refusal {
  const refusal = new Refusal(401, 'Unauthorized')
  refusal.reply.body = JSON.stringify({
    error: {
      code: 401,
      title: 'Unauthorized',
      message: 'The request you have made requires authentication.',
    },
  })
  refusal.reply.headers = { 'WWW-Authenticate': 'X-Auth-Token realm="sahara-queue"' }
  return refusal
}
