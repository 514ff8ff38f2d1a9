import { errors } from 'undici'
import { z } from 'zod'
import {
  BadRequestError,
  QueueUnreachableError,
  ReplyUnparsableError,
  type UnreachableReason,
} from './errors.ts'

const ErrorWithCode = z.looseObject({ code: z.string() })

const reasons: ReadonlyMap<string, UnreachableReason> = new Map([
  ['ECONNREFUSED', 'refused'],
  ['EHOSTUNREACH', 'refused'],
  ['ENETUNREACH', 'refused'],
  ['ENOENT', 'refused'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
  ['ECONNABORTED', 'reset'],
  ['UND_ERR_SOCKET', 'reset'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'reset'],
  ['ENOTFOUND', 'dns'],
  ['EAI_AGAIN', 'dns'],
  ['ETIMEDOUT', 'timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['EPROTO', 'tls'],
] as const)

/**
 * Turns what undici or Node threw into one of our errors, with the original as its cause. A closed client
 * and what we do not know stay as they are: that is a caller's mistake or a bug, not an outage.
 */
export function explainConnectionFailure(action: string, thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown
  if (thrown instanceof errors.ClientDestroyedError || thrown instanceof errors.ClientClosedError) {
    return thrown
  }
  // undici has no class of its own for it. The proxy's administrator can mend it, so it is an outage.
  if (thrown.message.includes('Proxy Authentication Required')) {
    const problem = 'the proxy wants a user and a password (407)'
    return new QueueUnreachableError(action, 'other', problem, { cause: thrown })
  }
  if (thrown instanceof errors.InvalidArgumentError) {
    return new BadRequestError(action, 'it cannot be written as HTTP', { cause: thrown })
  }
  if (
    thrown instanceof errors.HTTPParserError ||
    thrown instanceof errors.HeadersOverflowError ||
    thrown instanceof errors.ResponseExceededMaxSizeError
  ) {
    return new ReplyUnparsableError(action, 'it is not HTTP, or too long', { cause: thrown })
  }
  const code = ErrorWithCode.safeParse(thrown).data?.code
  const reason = code === undefined ? undefined : reasonOfCode(code)
  return reason ? new QueueUnreachableError(action, reason, `${code}`, { cause: thrown }) : thrown
}

/** Why a Node or undici error code means that no answer came; `undefined` when it does not say so. */
function reasonOfCode(code: string): UnreachableReason | undefined {
  const known = reasons.get(code)
  if (known) return known
  if (/^(?:ERR_TLS|ERR_SSL|CERT|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH)/.test(code)) {
    return 'tls'
  }
  return /^E[A-Z]+$/.test(code) || code.startsWith('UND_ERR_') ? 'other' : undefined
}
