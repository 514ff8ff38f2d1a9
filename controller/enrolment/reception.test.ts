import { setImmediate as nextTurn } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { Hello } from '../../protocol/messages/enrolment.ts'
import { QueueUnreachableError } from '../../protocol/zaqar/errors.ts'
import { StoreWriteError } from '../errors.ts'
import type { Cluster } from '../store/clusters.ts'
import { openReception } from './reception.ts'

const noon = new Date('2030-01-01T12:00:00Z')
const log = pino({ level: 'silent' })
const cluster: Cluster = {
  id: 'c1',
  name: 'c1',
  createdAt: noon,
  returnQueue: 'sa-r-0',
  lobbyQueue: 'sa-l-0',
}
const hello: Hello = {
  v: 1,
  cluster: 'c1',
  purpose: 'enrol',
  nonce: new Uint8Array(16),
  instanceUuid: 'uuid-1',
  sealingKey: { kty: 'OKP', crv: 'X25519', x: 'AA' },
  signingKey: { kty: 'OKP', crv: 'Ed25519', x: 'AA' },
  sentAt: noon,
  agentVersion: '1',
}

test.for([
  ['is deleted when it is answered', undefined, true],
  ['is deleted when it cannot ever be', new TypeError('no such key'), true],
  ['stays while the queue is out of reach', new QueueUnreachableError('post', 'reset', ''), false],
  ['stays while the store takes nothing', new StoreWriteError('full'), false],
] as const)('a hello %s', async ([, failure, isDeleted]) => {
  const deleted: string[] = []
  const answer = async () => {
    if (failure) throw failure
    return undefined
  }
  await using reception = openReception(log, answer, () => {})
  reception.receive(cluster, hello, async () => {
    deleted.push('m1')
  })
  await nextTurn()
  expect(deleted).toEqual(isDeleted ? ['m1'] : [])
})
