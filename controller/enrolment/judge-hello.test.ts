import { describe, expect, test } from 'vitest'
import type { Hello } from '../../protocol/messages/enrolment.ts'
import type { Instance } from '../store/instances.ts'
import { judgeHello, type Known } from './judge-hello.ts'

const noon = new Date('2030-01-01T12:00:00Z')
const earlier = new Date('2030-01-01T11:00:00Z')
const later = new Date('2030-01-02T12:00:00Z')

function anInstance(differences: Partial<Instance> = {}): Instance {
  return {
    id: 'i1',
    clusterId: 'c1',
    name: 'w1',
    createdAt: earlier,
    commandQueue: 'sa-c-0',
    instanceUuid: 'uuid-1',
    enrolledAt: earlier,
    enrolmentAllowed: false,
    signingKeyId: 'key-1',
    sealingKey: null,
    lastSeenAt: earlier,
    reportSequence: -1,
    agentVersion: null,
    clockOffsetMs: null,
    credentialsExpireAt: null,
    auditHead: null,
    ...differences,
  }
}

const expected = anInstance({ enrolledAt: null, signingKeyId: null, instanceUuid: null })
const enrolled = anInstance()
const secretOfW1 = {
  clusterId: 'c1',
  instanceName: 'w1',
  needsChallenge: false,
  createdAt: earlier,
  expiresAt: later,
}
const secretOfAny = { ...secretOfW1, instanceName: null }
const secretWithChallenge = { ...secretOfAny, needsChallenge: true }

function aHello(differences: Partial<Hello> = {}): Hello {
  return {
    v: 1,
    cluster: 'c1',
    purpose: 'enrol',
    nonce: new Uint8Array(16),
    instanceUuid: 'uuid-2',
    sealingKey: { kty: 'OKP', crv: 'X25519', x: 'AA' },
    signingKey: { kty: 'OKP', crv: 'Ed25519', x: 'AA' },
    sentAt: noon,
    agentVersion: '1',
    ...differences,
  }
}

function known(differences: Partial<Known> = {}): Known {
  return {
    now: noon,
    secret: secretOfW1,
    isChallengeMet: false,
    signingKeyId: 'key-2',
    isSealingKeyPinned: () => true,
    byKey: undefined,
    forgottenAt: undefined,
    byUuid: undefined,
    byName: () => undefined,
    instanceCount: 0,
    instanceLimit: 10,
    ...differences,
  }
}

describe('a hello whose secret needs a challenge', () => {
  test('is let in by it', () => {
    const met = known({ secret: secretWithChallenge, isChallengeMet: true })
    expect(judgeHello(aHello({ instanceName: 'w2' }), met)).toEqual({ do: 'create', name: 'w2' })
  })

  test('is refused without it, which is an alert at the instance that it said to be', () => {
    const unmet = known({ secret: secretWithChallenge, byUuid: enrolled })
    const verdict = { do: 'refuse', code: 'challenge-missing', alertOn: enrolled }
    expect(judgeHello(aHello({ instanceUuid: 'uuid-1' }), unmet)).toMatchObject(verdict)
  })

  test('needs none once its key is pinned', () => {
    const again = known({ secret: secretWithChallenge, byKey: enrolled })
    expect(judgeHello(aHello(), again)).toEqual({ do: 'answer', instance: enrolled })
  })
})

describe('a hello', () => {
  test.for([
    [
      'for an expected instance',
      aHello(),
      known({ byName: () => expected }),
      { do: 'pin', instance: expected },
    ],
    [
      'of a key that is pinned',
      aHello(),
      known({ byKey: enrolled }),
      { do: 'answer', instance: enrolled },
    ],
    [
      'of a pinned key, without any secret, to renew',
      aHello({ purpose: 'renew' }),
      known({ byKey: enrolled, secret: undefined }),
      { do: 'answer', instance: enrolled },
    ],
    [
      'of another key once it is allowed',
      aHello(),
      known({ byName: () => anInstance({ enrolmentAllowed: true }) }),
      { do: 'replace' },
    ],
    [
      "with the cluster's secret, by its host name",
      aHello({ hostName: 'Worker_7.example.org' }),
      known({ secret: secretOfAny }),
      { do: 'create', name: 'worker-7' },
    ],
    [
      "with the cluster's secret, its name taken by another",
      aHello({ instanceName: 'w1', instanceUuid: 'ABCD-0123456789' }),
      known({ secret: secretOfAny, byName: (name) => (name === 'w1' ? enrolled : undefined) }),
      { do: 'create', name: 'w1-abcd01234567', namesake: enrolled },
    ],
    [
      'of a key that was forgotten, with user-data made since',
      aHello(),
      known({ forgottenAt: earlier, secret: { ...secretOfW1, createdAt: noon } }),
      { do: 'create', name: 'w1' },
    ],
  ] as const)('%s is taken', ([, hello, facts, verdict]) => {
    expect(judgeHello(hello, facts)).toMatchObject(verdict)
  })

  test.for([
    ['shows no secret of ours', aHello(), known({ secret: undefined }), 'secret-refused'],
    [
      'shows a secret past its time',
      aHello(),
      known({ secret: { ...secretOfW1, expiresAt: noon } }),
      'secret-refused',
    ],
    [
      'is the second key for an instance',
      aHello(),
      known({ byName: () => enrolled }),
      'key-pinned',
    ],
    [
      "is the second key for a UUID, with the cluster's secret",
      aHello({ instanceUuid: 'uuid-1' }),
      known({ secret: secretOfAny, byUuid: enrolled }),
      'key-pinned',
    ],
    [
      'has the pinned signing key, but another sealing key',
      aHello(),
      known({ byKey: enrolled, byName: () => enrolled, isSealingKeyPinned: () => false }),
      'key-pinned',
    ],
    [
      'renews with a key that nobody knows',
      aHello({ purpose: 'renew' }),
      known(),
      'unknown-instance',
    ],
    ['has a key that was forgotten', aHello(), known({ forgottenAt: noon }), 'instance-forgotten'],
    ['is one too many', aHello(), known({ instanceCount: 10 }), 'too-many-instances'],
  ] as const)('that %s is refused', ([, hello, facts, code]) => {
    expect(judgeHello(hello, facts)).toMatchObject({ do: 'refuse', code })
  })

  test('with the secret of one instance never serves for another that has the key', () => {
    const other = anInstance({ id: 'i2', name: 'w2' })
    const verdict = judgeHello(aHello(), known({ byKey: other, byName: () => enrolled }))
    expect(verdict).toMatchObject({ do: 'refuse', code: 'key-pinned', alertOn: enrolled })
  })
})

describe('the name of an instance', () => {
  test.for([
    ['node-1', 'node-1'],
    ['Node_1.cluster.local', 'node-1'],
    ['-a-', 'a'],
    ['ÄÖÜ', 'instance'],
    ['', 'instance'],
    [`${'x'.repeat(62)}-y`, 'x'.repeat(62)],
  ] as const)('is made of its host name %j', ([hostName, name]) => {
    const verdict = judgeHello(aHello({ hostName }), known({ secret: secretOfAny }))
    expect(verdict).toEqual({ do: 'create', name })
  })
})
