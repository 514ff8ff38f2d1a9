import { describe, expect, test } from 'vitest'
import { explainRefusal } from './explain-refusal.ts'

describe('a status of which nothing more is known', () => {
  test.for([
    [200, 'ERR_QUEUE_REPLY_UNPARSABLE'],
    [302, 'ERR_QUEUE_REPLY_UNPARSABLE'],
    [400, 'ERR_QUEUE_BAD_REQUEST'],
    [401, 'ERR_QUEUE_UNAUTHORIZED'],
    [403, 'ERR_QUEUE_FORBIDDEN'],
    [404, 'ERR_QUEUE_NOT_FOUND'],
    [405, 'ERR_QUEUE_BAD_REQUEST'],
    [406, 'ERR_QUEUE_BAD_REQUEST'],
    [408, 'ERR_QUEUE_UNAVAILABLE'],
    [409, 'ERR_QUEUE_CONFLICT'],
    [413, 'ERR_MESSAGE_TOO_LARGE'],
    [415, 'ERR_QUEUE_BAD_REQUEST'],
    [418, 'ERR_QUEUE_BAD_REQUEST'],
    [429, 'ERR_QUEUE_RATE_LIMITED'],
    [500, 'ERR_QUEUE_UNAVAILABLE'],
    [502, 'ERR_QUEUE_UNAVAILABLE'],
    [503, 'ERR_QUEUE_UNAVAILABLE'],
    [504, 'ERR_QUEUE_UNAVAILABLE'],
    [599, 'ERR_QUEUE_UNAVAILABLE'],
  ] as const)('of %i is %s', ([status, code]) => {
    expect(explainRefusal(aReply(status), context)).toMatchObject({ code, status })
  })
})

test.for([
  'Message collection size is too large. Max size 131072',
  'Message collection size is too large. The max size for current queue is 131072. It is calculated by max size = min(max_messages_post_size_config: 262144, max_messages_post_size_queue: 131072).',
])('a POST that is too large is told with the limit that the service names: %s', (description) => {
  const reply = aReply(400, JSON.stringify({ title: 'Invalid API request', description }))
  expect(explainRefusal(reply, context)).toMatchObject({
    code: 'ERR_MESSAGE_TOO_LARGE',
    limitBytes: 131_072,
  })
})

const context = { action: 'ping', secrets: [], now: new Date(0) }

function aReply(status: number, body = '') {
  return {
    status,
    header: () => undefined,
    bytes: Buffer.from(body),
    serverTime: undefined,
    receivedAtMs: 0,
  }
}
