import { describe, expect, test } from 'vitest'
import { signUrl } from './sign-url.ts'

describe('a grant that is signed', () => {
  // Computed with Debian's zaqar.common.urls; shared/zaqar-contract.md section 6.
  test.for([
    {
      name: 'one path and one method',
      key: 's3cr3t',
      paths: ['/v2/queues/agent-42/messages'],
      methods: ['GET'],
      project: 'b2d1f0e3a4c5968778695a4b3c2d1e0f',
      expires: new Date('2099-01-01T00:00:00Z'),
      signature: '0ba2c0393272802ae7e6ce8c6ea39152910e74a5e8e8d84f721c8f611253c215',
    },
    {
      name: 'paths and methods in any order',
      key: 'topsecret',
      paths: ['/v2/queues/c-7.in/messages', '/v2/queues/c-7.in/claims'],
      methods: ['POST', 'DELETE', 'PATCH', 'GET'],
      project: '714905283d044d31814311db9dbca79c',
      expires: new Date('2099-12-31T23:59:59Z'),
      signature: 'e40a3b58cfd21294d5ba2fbc013a3cf57499a2f68f653d476d47429617efa378',
    },
    {
      name: 'a key outside ASCII and an expiry in another zone',
      key: 'clé-öffentlich',
      paths: ['/v2/queues/q_1/subscriptions'],
      methods: ['PUT', 'POST'],
      project: 'p1',
      expires: new Date('2050-06-30T02:30:00+02:00'),
      signature: '75e37e9876b0f13752ea0804df2caf8c6ee3c2ad2a004503a75a99c187dc4703',
    },
  ])('has the very signature that Zaqar computes: $name', ({ key, signature, ...grant }) => {
    expect(signUrl(grant, key).signature).toBe(signature)
  })
})
