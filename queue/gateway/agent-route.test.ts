import { describe, expect, test } from 'vitest'
import { findAgentRoute } from './agent-route.ts'

const claim = { queue: 'sa-c-1', isClaim: true }
const other = { queue: 'sa-c-1', isClaim: false }

describe('of the queue service, an agent behind the gateway', () => {
  test.for([
    ['POST', '/v2/queues/sa-c-1/claims', claim],
    ['PATCH', '/v2/queues/sa-c-1/claims/17', other],
    ['DELETE', '/v2/queues/sa-c-1/claims/17', other],
    ['GET', '/v2/queues/sa-c-1/messages', other],
    ['POST', '/v2/queues/sa-c-1/messages', other],
    ['DELETE', '/v2/queues/sa-c-1/messages', other],
    ['DELETE', '/v2/queues/sa-c-1/messages/17', other],
  ] as const)('reaches %s %s', ([method, path, route]) => {
    expect(findAgentRoute(method, path)).toEqual(route)
  })

  test.for([
    ['GET', '/v2/queues/sa-c-1/claims/17'],
    ['GET', '/v2/queues/sa-c-1/messages/17'],
    ['PUT', '/v2/queues/sa-c-1'],
    ['DELETE', '/v2/queues/sa-c-1'],
    ['GET', '/v2/queues'],
    ['GET', '/v2/health'],
    ['POST', '/v2/queues/sa-c-1/share'],
    ['POST', '/v2/queues/sa-c-1/purge'],
    ['POST', '/v2/queues/sa-c-1/subscriptions'],
    ['PUT', '/v2/queues/sa-c-1/subscriptions/17/confirm'],
    ['POST', '/v1.1/queues/sa-c-1/messages'],
    ['POST', '/v2/queues/../claims'],
    ['POST', '/v2/queues/a%2fb/claims'],
    ['POST', '/v2/queues/a.b/claims'],
    ['POST', 'http://elsewhere/v2/queues/a/claims'],
    ['CONNECT', '/v2/queues/sa-c-1/messages'],
  ] as const)('does not reach %s %s', ([method, path]) => {
    expect(findAgentRoute(method, path)).toBeUndefined()
  })
})
