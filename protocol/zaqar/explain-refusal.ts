import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'
import { type SignedUrl, signedUrlExpiry } from '../signed-url/signed-url.ts'
import {
  BadRequestError,
  ClaimLostError,
  ConflictError,
  ForbiddenError,
  MessageTooLargeError,
  NotFoundError,
  QueueUnavailableError,
  RateLimitedError,
  ReplyUnparsableError,
  SignedUrlExpiredError,
  SignedUrlRefusedError,
  UnauthorizedError,
  type ZaqarError,
} from './errors.ts'
import { parseRetryAfterMs } from './parse-http-dates.ts'
import { describeForeign, parseJson } from './parse-reply.ts'
import { quoteForeignText } from './quote-foreign-text.ts'
import type { Reply } from './read-reply.ts'

/** What is known about the request that was refused. */
export interface RefusalContext {
  action: string
  secrets: readonly string[]
  signedUrl?: SignedUrl | undefined
  /** The request named a claim; `isPastDeadline` when our own clock says that its time is over. */
  claim?: { isPastDeadline: boolean } | undefined
  /** The request deletes one message, of which a claim may have a say. */
  deletesMessage?: boolean | undefined
  /** Our own wall clock, for an answer without a `Date`. */
  now: Date
}

/** Turns an answer with an unexpected status into the error that callers branch on. Pure. */
export function explainRefusal(reply: Reply, context: RefusalContext): ZaqarError {
  const { action } = context
  const { status } = reply
  const body = readErrorBody(reply)
  const problem = describeProblem(reply, body, context.secrets)
  const now = reply.serverTime ?? context.now
  const retryAfterMs = parseRetryAfterMs(reply.header('retry-after'), now)

  if (isLostClaim(status, body, context)) return new ClaimLostError(action, problem, { status })
  if (status === 404 && body.kind === 'foreign') {
    return new ReplyUnparsableError(action, problem, { status })
  }
  if (status === 404 && context.signedUrl && body.description === undefined) {
    return explainRefusedSignedUrl(action, context.signedUrl, now)
  }
  if (status === 403 && context.deletesMessage && speaksOfClaim(body)) {
    return new ConflictError(action, problem, { status })
  }
  if (status === 400 && /too large/i.test(body.description ?? '')) {
    return new MessageTooLargeError(action, problem, { status, limitBytes: announcedLimit(body) })
  }
  const longestTtlSeconds = status === 400 ? announcedTtl(body) : undefined
  if (longestTtlSeconds !== undefined) {
    return new BadRequestError(action, problem, { status, longestTtlSeconds })
  }
  return errorOfStatus(status, action, problem, retryAfterMs)
}

/**
 * Zaqar's own answers about a claim that is gone (seen in 15.0.0). The 503 is stock Zaqar's for
 * every claim that ran out by time, for ever; before the claim's own deadline it is an outage.
 */
function isLostClaim(status: number, body: ErrorBody, context: RefusalContext): boolean {
  if (!context.claim) return false
  if (status === 503) return context.claim.isPastDeadline
  if (status === 404) return body.kind === 'zaqar' && body.description !== undefined
  return (status === 400 || status === 403) && speaksOfClaim(body)
}

/** Zaqar: "Message collection size is too large. Max size 262144", or "... The max size for current queue is 262144. ...". */
function announcedLimit({ description = '' }: ErrorBody): number | undefined {
  const digits = /max size (?:for current queue is )?(\d{1,9})\b/i.exec(description)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** Zaqar: "The TTL for a message may not exceed 1209600 seconds, and must be at least 60 seconds long." */
function announcedTtl({ description = '' }: ErrorBody): number | undefined {
  const digits = /\bTTL for a message may not exceed (\d{1,9}) seconds/i.exec(description)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** All refusals of a signed URL are one bare 404; only the server's clock tells an expired one. */
function explainRefusedSignedUrl(action: string, url: SignedUrl, now: Date): ZaqarError {
  const expiry = signedUrlExpiry(url)
  return expiry <= now
    ? new SignedUrlExpiredError(action, expiry, { status: 404 })
    : new SignedUrlRefusedError(action, { status: 404 })
}

/** The codes that a status alone can mean. */
type StatusCode = Extract<
  ErrorCode,
  | 'ERR_QUEUE_UNAUTHORIZED'
  | 'ERR_QUEUE_FORBIDDEN'
  | 'ERR_QUEUE_NOT_FOUND'
  | 'ERR_QUEUE_UNAVAILABLE'
  | 'ERR_QUEUE_CONFLICT'
  | 'ERR_MESSAGE_TOO_LARGE'
  | 'ERR_QUEUE_RATE_LIMITED'
  | 'ERR_QUEUE_BAD_REQUEST'
  | 'ERR_QUEUE_REPLY_UNPARSABLE'
>

/** The code for a status of which nothing more is known. */
function codeOfStatus(status: number): StatusCode {
  const known = codes.get(status)
  if (known) return known
  if (status >= 500) return 'ERR_QUEUE_UNAVAILABLE'
  return status >= 400 ? 'ERR_QUEUE_BAD_REQUEST' : 'ERR_QUEUE_REPLY_UNPARSABLE'
}

const codes: ReadonlyMap<number, StatusCode> = new Map([
  [401, 'ERR_QUEUE_UNAUTHORIZED'],
  [403, 'ERR_QUEUE_FORBIDDEN'],
  [404, 'ERR_QUEUE_NOT_FOUND'],
  [408, 'ERR_QUEUE_UNAVAILABLE'],
  [409, 'ERR_QUEUE_CONFLICT'],
  [413, 'ERR_MESSAGE_TOO_LARGE'],
  [425, 'ERR_QUEUE_UNAVAILABLE'],
  [429, 'ERR_QUEUE_RATE_LIMITED'],
] as const)

function errorOfStatus(
  status: number,
  action: string,
  problem: string,
  retryAfterMs: number | undefined,
): ZaqarError {
  switch (codeOfStatus(status)) {
    case 'ERR_QUEUE_UNAUTHORIZED':
      return new UnauthorizedError(action, problem, { status })
    case 'ERR_QUEUE_FORBIDDEN':
      return new ForbiddenError(action, problem, { status })
    case 'ERR_QUEUE_NOT_FOUND':
      return new NotFoundError(action, problem, { status })
    case 'ERR_QUEUE_CONFLICT':
      return new ConflictError(action, problem, { status })
    case 'ERR_MESSAGE_TOO_LARGE':
      return new MessageTooLargeError(action, problem, { status })
    case 'ERR_QUEUE_RATE_LIMITED':
      return new RateLimitedError(action, problem, { status, retryAfterMs })
    case 'ERR_QUEUE_UNAVAILABLE':
      return new QueueUnavailableError(action, problem, { status, retryAfterMs })
    case 'ERR_QUEUE_BAD_REQUEST':
      return new BadRequestError(action, problem, { status })
    case 'ERR_QUEUE_REPLY_UNPARSABLE':
      return new ReplyUnparsableError(action, problem, { status })
  }
}

const ZaqarBody = z.looseObject({ title: z.string(), description: z.exactOptional(z.string()) })
const KeystoneBody = z.looseObject({
  error: z.looseObject({ title: z.exactOptional(z.string()), message: z.string() }),
})

type ErrorBody =
  | { kind: 'zaqar'; title: string; description?: string }
  | { kind: 'keystone'; description: string }
  | { kind: 'empty' | 'foreign'; description?: undefined }

function readErrorBody(reply: Reply): ErrorBody {
  if (reply.bytes.length === 0) return { kind: 'empty' }
  const json = parseJson(reply.bytes)
  if (!json.ok) return { kind: 'foreign' }
  const zaqar = ZaqarBody.safeParse(json.value)
  if (zaqar.success) return { ...zaqar.data, kind: 'zaqar' }
  const keystone = KeystoneBody.safeParse(json.value)
  if (keystone.success) return { kind: 'keystone', description: keystone.data.error.message }
  return { kind: 'foreign' }
}

function speaksOfClaim(body: ErrorBody): boolean {
  return body.kind === 'zaqar' && /claim/i.test(`${body.title} ${body.description}`)
}

function describeProblem(reply: Reply, body: ErrorBody, secrets: readonly string[]): string {
  const { status } = reply
  if (body.kind === 'empty') return `status ${status}`
  if (body.kind === 'foreign') return describeForeign(reply, secrets)
  const title = body.kind === 'zaqar' ? body.title : undefined
  const text = [title, body.description].filter((part) => part !== undefined).join(': ')
  return `status ${status}, ${quoteForeignText(text, secrets)}`
}
