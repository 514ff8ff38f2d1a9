import { type ErrorCode, SaharaAgentError } from '../errors.ts'

/**
 * What to do about a failed call.
 * - `retry`: an outage; the same call may work later. For ever, with backoff.
 * - `new-credentials`: a refusal; the same credentials will not work again.
 * - `claim-lost`: drop what is known of this claim, and claim again.
 * - `give-up`: the same call will never work.
 */
export type FailureVerdict = 'retry' | 'new-credentials' | 'claim-lost' | 'give-up'

/** Whether the same call may work later, unchanged. */
export function isRetryable(error: unknown): boolean {
  return judgeFailure(error) === 'retry'
}

/** Judges any thrown value by its code. What is no queue failure (a bug, an abort) is `give-up`. */
export function judgeFailure(error: unknown): FailureVerdict {
  return error instanceof SaharaAgentError ? (verdicts.get(error.code) ?? 'give-up') : 'give-up'
}

const verdicts: ReadonlyMap<ErrorCode, FailureVerdict> = new Map([
  ['ERR_QUEUE_UNREACHABLE', 'retry'],
  ['ERR_QUEUE_UNAVAILABLE', 'retry'],
  ['ERR_QUEUE_RATE_LIMITED', 'retry'],
  ['ERR_QUEUE_REPLY_UNPARSABLE', 'retry'],
  // The token that a call needs could not be had.
  ['ERR_KEYSTONE_UNREACHABLE', 'retry'],
  ['ERR_QUEUE_UNAUTHORIZED', 'new-credentials'],
  ['ERR_QUEUE_FORBIDDEN', 'new-credentials'],
  ['ERR_SIGNED_URL_EXPIRED', 'new-credentials'],
  ['ERR_SIGNED_URL_REFUSED', 'new-credentials'],
  ['ERR_CLAIM_LOST', 'claim-lost'],
] as const)
