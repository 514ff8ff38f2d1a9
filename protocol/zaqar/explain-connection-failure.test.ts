import { errors } from 'undici'
import { describe, expect, test } from 'vitest'
import { explainConnectionFailure } from './explain-connection-failure.ts'

const withCode = (code: string) => Object.assign(new Error('low level'), { code })

describe('a failure of the connection', () => {
  test.for([
    ['ECONNREFUSED', 'refused'],
    ['EHOSTUNREACH', 'refused'],
    ['ECONNRESET', 'reset'],
    ['EPIPE', 'reset'],
    ['UND_ERR_SOCKET', 'reset'],
    ['ENOTFOUND', 'dns'],
    ['EAI_AGAIN', 'dns'],
    ['ETIMEDOUT', 'timeout'],
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
    ['CERT_HAS_EXPIRED', 'tls'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls'],
    ['EMFILE', 'other'],
    ['UND_ERR_INFO', 'other'],
  ] as const)('with code %s is unreachability by "%s"', ([code, reason]) => {
    const cause = withCode(code)
    const expected = { code: 'ERR_QUEUE_UNREACHABLE', reason, cause }
    expect(explainConnectionFailure('ping', cause)).toMatchObject(expected)
  })

  test('that is no HTTP, or too much of it, is no answer', () => {
    for (const thrown of [new errors.HTTPParserError(), new errors.HeadersOverflowError()]) {
      const expected = { code: 'ERR_QUEUE_REPLY_UNPARSABLE', cause: thrown }
      expect(explainConnectionFailure('ping', thrown)).toMatchObject(expected)
    }
  })

  test.for([
    ['a closed client', new errors.ClientClosedError()],
    ['a destroyed client', new errors.ClientDestroyedError()],
    ['a bug', new TypeError('x is not a function')],
    ['a code of nobody we know', withCode('WHATEVER')],
    ['a text', 'thrown'],
  ] as const)('stays as it is when it is %s', ([, thrown]) => {
    expect(explainConnectionFailure('ping', thrown)).toBe(thrown)
  })
})
