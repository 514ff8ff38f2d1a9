import { type ErrorCode, SaharaAgentError } from '../errors.ts'

/** Why no whole answer came. */
export type UnreachableReason = 'timeout' | 'refused' | 'reset' | 'dns' | 'tls' | 'other'

interface RefusalOptions extends ErrorOptions {
  /** The HTTP status; absent when the request was refused before it was sent. */
  status?: number | undefined
}

interface DelayOptions extends RefusalOptions {
  /** The server's `Retry-After`, in milliseconds from the moment of its answer. */
  retryAfterMs?: number | undefined
}

/**
 * The parent of all that can go wrong between this client and a queue service. `action` tells what was
 * tried ("delete a message of queue "q""); ids of messages and claims are left out, as on stock Zaqar
 * whoever knows a message's id can delete it.
 */
export abstract class ZaqarError extends SaharaAgentError {
  abstract override readonly code: ErrorCode
  readonly action: string
  readonly status: number | undefined

  constructor(action: string, problem: string, options: RefusalOptions = {}) {
    const { status, ...rest } = options
    super(`cannot ${action}: ${problem}`, rest)
    this.action = action
    this.status = status
  }
}

/** No whole answer came; whether the request took effect is unknown. Retry, whatever is posted twice has one id. */
export class QueueUnreachableError extends ZaqarError {
  readonly code = 'ERR_QUEUE_UNREACHABLE'
  readonly reason: UnreachableReason

  constructor(action: string, reason: UnreachableReason, problem: string, options?: ErrorOptions) {
    super(action, `the queue service is unreachable (${reason}: ${problem})`, options)
    this.reason = reason
  }
}

/** The service answers that it cannot serve now (5xx, 408). Retry, not before `retryAfterMs`. */
export class QueueUnavailableError extends ZaqarError {
  readonly code = 'ERR_QUEUE_UNAVAILABLE'
  readonly retryAfterMs: number | undefined

  constructor(action: string, problem: string, options: DelayOptions = {}) {
    const { retryAfterMs, ...rest } = options
    super(action, `the queue service is unavailable (${problem}); try again later`, rest)
    this.retryAfterMs = retryAfterMs
  }
}

/** Too many requests (429). Retry, not before `retryAfterMs`. */
export class RateLimitedError extends ZaqarError {
  readonly code = 'ERR_QUEUE_RATE_LIMITED'
  readonly retryAfterMs: number | undefined

  constructor(action: string, problem: string, options: DelayOptions = {}) {
    const { retryAfterMs, ...rest } = options
    super(action, `the queue service asks for fewer requests (${problem}); slow down`, rest)
    this.retryAfterMs = retryAfterMs
  }
}

/**
 * What came is no answer of a queue service: a proxy's page, broken JSON, too many bytes, an
 * unexpected status. Retry: the thing in between may go away, and whatever is posted twice has one id.
 */
export class ReplyUnparsableError extends ZaqarError {
  readonly code = 'ERR_QUEUE_REPLY_UNPARSABLE'

  constructor(action: string, problem: string, options?: RefusalOptions) {
    super(action, `the answer is not one of a queue service: ${problem}`, options)
  }
}

/** The credentials are missing or not accepted (401), also after one re-authentication. */
export class UnauthorizedError extends ZaqarError {
  readonly code = 'ERR_QUEUE_UNAUTHORIZED'

  constructor(action: string, problem: string, options?: RefusalOptions) {
    super(action, `not authenticated (${problem}); get new credentials`, options)
  }
}

/** The credentials do not give this right (403). */
export class ForbiddenError extends ZaqarError {
  readonly code = 'ERR_QUEUE_FORBIDDEN'

  constructor(action: string, problem: string, options?: RefusalOptions) {
    super(action, `not allowed (${problem}); ask for credentials that have this right`, options)
  }
}

/** The service refused a signed URL whose time is over; only its issuer can mint another. */
export class SignedUrlExpiredError extends ZaqarError {
  readonly code = 'ERR_SIGNED_URL_EXPIRED'
  readonly expiredAt: Date

  constructor(action: string, expiredAt: Date, options?: RefusalOptions) {
    super(action, `the signed URL ended ${expiredAt.toISOString()}; ask for a new one`, options)
    this.expiredAt = expiredAt
  }
}

/**
 * The service refused a signed URL that has time left: wrong queue, method or project, tampered with,
 * or signed under a key that has been changed. Zaqar tells these from one another to nobody.
 */
export class SignedUrlRefusedError extends ZaqarError {
  readonly code = 'ERR_SIGNED_URL_REFUSED'

  constructor(action: string, options?: RefusalOptions) {
    super(
      action,
      'the signed URL was refused, though it has not expired; ask for a new one',
      options,
    )
  }
}

/** The claim ran out, was released, or its message is held by another claimer. The messages come back by themselves. */
export class ClaimLostError extends ZaqarError {
  readonly code = 'ERR_CLAIM_LOST'

  constructor(action: string, problem: string, options?: RefusalOptions) {
    super(action, `the claim is lost (${problem}); claim again`, options)
  }
}

/** A message, or a body of several, is over what one POST may carry. */
export class MessageTooLargeError extends ZaqarError {
  readonly code = 'ERR_MESSAGE_TOO_LARGE'
  /** What the service says that it takes, in bytes; it need not be true. */
  readonly limitBytes: number | undefined

  constructor(
    action: string,
    problem: string,
    options: RefusalOptions & { limitBytes?: number | undefined } = {},
  ) {
    const { limitBytes, ...rest } = options
    super(action, `too large (${problem}); cut it into smaller messages`, rest)
    this.limitBytes = limitBytes
  }
}

/** The request is none that the service takes (400 and other 4xx), or was refused here before it was sent. */
export class BadRequestError extends ZaqarError {
  readonly code = 'ERR_QUEUE_BAD_REQUEST'
  /** A message was to live longer than the service says that it lets any live, in seconds. */
  readonly longestTtlSeconds: number | undefined

  constructor(
    action: string,
    problem: string,
    options: RefusalOptions & { longestTtlSeconds?: number | undefined } = {},
  ) {
    const { longestTtlSeconds, ...rest } = options
    super(action, `bad request (${problem}); correct it`, rest)
    this.longestTtlSeconds = longestTtlSeconds
  }
}

/** The thing named does not exist (404). */
export class NotFoundError extends ZaqarError {
  readonly code = 'ERR_QUEUE_NOT_FOUND'

  constructor(action: string, problem: string, options?: RefusalOptions) {
    super(action, `not found (${problem}); check the name, or create it first`, options)
  }
}

/** The state of the thing does not allow it (409; a claimed message deleted without its claim). */
export class ConflictError extends ZaqarError {
  readonly code = 'ERR_QUEUE_CONFLICT'

  constructor(action: string, problem: string, options?: RefusalOptions) {
    super(action, `in conflict with its present state (${problem}); read it, then decide`, options)
  }
}
