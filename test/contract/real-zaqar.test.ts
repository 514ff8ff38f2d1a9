import { describe } from 'vitest'
import { openKeystoneSession } from '../../protocol/keystone/keystone-session.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { missingZaqarPackages } from '../zaqar/missing-packages.ts'
import { type RealZaqar, startZaqar } from '../zaqar/start-zaqar.ts'
import { testCloud } from '../zaqar/test-cloud.ts'
import type { ContractServer } from './contract-server.ts'
import { describeContract } from './describe-contract.ts'

const missing = missingZaqarPackages()
const offers = { hasSubscriptions: true }
const needed = missing.length > 0 ? ` (skipped: apt-get install ${missing.join(' ')})` : ''

describe.skipIf(missing.length > 0)(`the real Zaqar${needed}`, () => {
  describeContract(
    'without Keystone keeps the contract',
    async () => {
      const zaqar = await startZaqar({ keystone: false, websocket: false })
      return asContractServer(zaqar, 'p1', { kind: 'none' })
    },
    offers,
  )

  describeContract(
    'with Keystone keeps the contract',
    async () => {
      const zaqar = await startZaqar({ websocket: false })
      const session = await openKeystoneSession(testCloud(zaqar), realWorld())
      const auth = { kind: 'token', getToken: session.getToken } as const
      return asContractServer(zaqar, await session.getProjectId(), auth, session)
    },
    offers,
  )

  describeContract(
    'under uwsgi, which sends no Date, keeps the contract',
    async () => {
      const zaqar = await startZaqar({ keystone: false, websocket: false, workers: 2 })
      return asContractServer(zaqar, 'p1', { kind: 'none' })
    },
    offers,
  )
})

function asContractServer(
  zaqar: RealZaqar,
  projectId: string,
  auth: ContractServer['auth'],
  session?: AsyncDisposable,
): ContractServer {
  return {
    endpoint: zaqar.endpoint,
    projectId,
    auth,
    secretKey: zaqar.secretKey(),
    isLongPolling: false,
    [Symbol.asyncDispose]: async () => {
      await session?.[Symbol.asyncDispose]()
      await zaqar[Symbol.asyncDispose]()
    },
  }
}
