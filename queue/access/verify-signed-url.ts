import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { computeSignature } from '../../protocol/signed-url/sign-url.ts'
import { formatExpiry } from '../../protocol/signed-url/signed-url.ts'
import { readIsoMoment } from './iso-moment.ts'

/** The part of a queue that a signed URL can be for. */
export interface SignedPart {
  method: string
  queue: string
  /** `messages` or `claims`: the third segment below `/v2/queues`, as the router took it apart. */
  collection: string
}

/**
 * Whether the URL-* headers allow this method on this part of this queue, now.
 *
 * A signed path admits itself and what lies below it, compared segment by segment: the router's own
 * segments are put together again, so there is no second reading of the path that could differ
 * (Zaqar's is a regular expression, in which a dot fits any character).
 */
export function verifySignedUrl(
  headers: IncomingHttpHeaders,
  part: SignedPart,
  key: string,
  now: Date,
): boolean {
  const fields = readFields(headers)
  if (fields === undefined) return false
  const paths = fields.paths.split(',')
  const methods = fields.methods.split(',')
  const expires = readIsoMoment(fields.expires)
  if (expires === undefined) return false
  const grant = { paths, methods, project: fields.project, expires: formatExpiry(expires) }
  return (
    isSame(fields.signature, computeSignature(grant, key)) &&
    expires > now &&
    methods.includes(part.method) &&
    paths.includes(`/v2/queues/${part.queue}/${part.collection}`)
  )
}

function readFields(headers: IncomingHttpHeaders) {
  const signature = headers['url-signature']
  const expires = headers['url-expires']
  const methods = headers['url-methods']
  const paths = headers['url-paths']
  const project = headers['x-project-id']
  if (
    typeof signature !== 'string' ||
    typeof expires !== 'string' ||
    typeof methods !== 'string' ||
    typeof paths !== 'string' ||
    typeof project !== 'string'
  ) {
    return undefined
  }
  return { signature, expires, methods, paths, project }
}

/** In constant time: how much of a guess was right must not show. */
function isSame(given: string, right: string): boolean {
  const givenBytes = Buffer.from(given, 'utf8')
  const rightBytes = Buffer.from(right, 'utf8')
  return givenBytes.length === rightBytes.length && timingSafeEqual(givenBytes, rightBytes)
}
