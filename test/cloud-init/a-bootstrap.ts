import type { Bootstrap } from '../../protocol/messages/enrolment.ts'

/** A valid bootstrap; `differences` are all that a test cares about. */
export function aBootstrap(differences: Partial<Bootstrap> = {}): Bootstrap {
  const queue = '/v2/queues/sa-r-00112233445566778899aabbccddeeff/messages'
  return {
    v: 1,
    cluster: '0197c0de-0000-7000-8000-000000000001',
    clusterName: 'web',
    endpoint: 'https://zaqar.example:8888',
    commandKey: { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) },
    enrolmentKey: { kty: 'OKP', crv: 'X25519', x: 'B'.repeat(43) },
    enrolmentSecret: new Uint8Array(32).fill(7),
    hello: aSignedUrl(queue, 'POST'),
    lobby: aSignedUrl(queue.replace('sa-r-', 'sa-l-'), 'GET'),
    ...differences,
  }
}

function aSignedUrl(path: string, method: string): Bootstrap['hello'] {
  return {
    paths: [path],
    methods: [method],
    project: 'sahara',
    expires: '2031-01-01T00:00:00',
    signature: 'a1'.repeat(32),
  }
}
