import { describe, expect, test } from 'vitest'
import { ConfigInvalidError, type SaharaAgentError } from '../errors.ts'
import {
  BadRequestError,
  ClaimLostError,
  ConflictError,
  ForbiddenError,
  MessageTooLargeError,
  NotFoundError,
  QueueUnavailableError,
  QueueUnreachableError,
  RateLimitedError,
  ReplyUnparsableError,
  SignedUrlExpiredError,
  SignedUrlRefusedError,
  UnauthorizedError,
} from './errors.ts'
import { isRetryable, judgeFailure } from './judge-failure.ts'

describe('a failed call', () => {
  test.for([
    [new QueueUnreachableError('ping', 'timeout', 'x'), 'retry'],
    [new QueueUnavailableError('ping', 'x', { status: 503 }), 'retry'],
    [new RateLimitedError('ping', 'x'), 'retry'],
    [new ReplyUnparsableError('ping', 'x'), 'retry'],
    [new UnauthorizedError('ping', 'x'), 'new-credentials'],
    [new ForbiddenError('ping', 'x'), 'new-credentials'],
    [new SignedUrlExpiredError('ping', new Date(0)), 'new-credentials'],
    [new SignedUrlRefusedError('ping'), 'new-credentials'],
    [new ClaimLostError('ping', 'x'), 'claim-lost'],
    [new MessageTooLargeError('ping', 'x'), 'give-up'],
    [new BadRequestError('ping', 'x'), 'give-up'],
    [new NotFoundError('ping', 'x'), 'give-up'],
    [new ConflictError('ping', 'x'), 'give-up'],
    [new ConfigInvalidError('x'), 'give-up'],
  ] satisfies [SaharaAgentError, string][])('of %s is judged "%s"', ([error, verdict]) => {
    expect(judgeFailure(error)).toBe(verdict)
    expect(isRetryable(error)).toBe(verdict === 'retry')
  })

  test.for([
    ['a bug', new TypeError('x is not a function')],
    ['an abort', new DOMException('stop', 'AbortError')],
    ['a foreign error with a code of ours', { code: 'ERR_QUEUE_UNREACHABLE' }],
    ['nothing at all', undefined],
  ] as const)('is given up when it is %s', ([, thrown]) => {
    expect(judgeFailure(thrown)).toBe('give-up')
  })
})
