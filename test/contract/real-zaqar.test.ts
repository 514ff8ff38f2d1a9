import { describe } from 'vitest'
import { missingZaqarPackages } from '../zaqar/missing-packages.ts'
import { type RealZaqar, startZaqar } from '../zaqar/start-zaqar.ts'
import type { ContractServer } from './contract-server.ts'
import { describeContract } from './describe-contract.ts'

const missing = missingZaqarPackages()
const needed = missing.length > 0 ? ` (skipped: apt-get install ${missing.join(' ')})` : ''

describe.skipIf(missing.length > 0)(`the real Zaqar${needed}`, () => {
  describeContract('without Keystone keeps the contract', async () => {
    const zaqar = await startZaqar({ keystone: false, websocket: false })
    return asContractServer(zaqar, 'p1', { kind: 'none' })
  })

  describeContract('with Keystone keeps the contract', async () => {
    const zaqar = await startZaqar({ websocket: false })
    const projectId = zaqar.keystone?.projects.demo.id ?? ''
    // It begins with a token that is refused, as one that has run out is.
    let token = 'stale'
    const getToken = async (refused?: string) => {
      if (refused === token) token = await issueToken(zaqar)
      return token
    }
    return asContractServer(zaqar, projectId, { kind: 'token', getToken })
  })

  describeContract('under uwsgi, which sends no Date, keeps the contract', async () => {
    const zaqar = await startZaqar({ keystone: false, websocket: false, workers: 2 })
    return asContractServer(zaqar, 'p1', { kind: 'none' })
  })
})

function asContractServer(
  zaqar: RealZaqar,
  projectId: string,
  auth: ContractServer['auth'],
): ContractServer {
  return {
    endpoint: zaqar.endpoint,
    projectId,
    auth,
    secretKey: zaqar.secretKey(),
    isLongPolling: false,
    [Symbol.asyncDispose]: () => zaqar[Symbol.asyncDispose](),
  }
}

/** A token of the controller's user, by Keystone's v3 password method. */
async function issueToken({ keystone }: RealZaqar): Promise<string> {
  if (keystone === undefined) throw new Error('this Zaqar runs without Keystone')
  const { name, password, project } = keystone.users.controller
  const domain = { id: 'default' }
  const response = await fetch(`${keystone.authUrl}/auth/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: { user: { name, domain, password } } },
        scope: { project: { name: project, domain } },
      },
    }),
  })
  return response.headers.get('X-Subject-Token') ?? ''
}
