import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Credentials } from '../../protocol/messages/credentials.ts'
import { signUrl } from '../../protocol/signed-url/sign-url.ts'
import type { SignedUrl } from '../../protocol/signed-url/signed-url.ts'
import type { ClaimFound } from '../../protocol/zaqar/claims.ts'
import type { ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import type { GateAnswer } from '../system/gate-proxy.ts'
import { startCluster, type TestCluster } from '../system/start-cluster.ts'
import { waitFor } from '../system/wait-for.ts'
import { hireKeeper } from './hire-keeper.ts'
import { missingZaqarPackages } from './missing-packages.ts'
import { type RealZaqar, startZaqar } from './start-zaqar.ts'
import { zaqarUnderTest } from './zaqar-under-test.ts'

const missing = missingZaqarPackages()
const needed = missing.length > 0 ? ` (skipped: apt-get install ${missing.join(' ')})` : ''
const startWithinMs = 120_000
const settings = {
  agent: { poll: { ceilingSeconds: 0.5 } },
  controller: { lostMarginSeconds: 2 },
}

describe.skipIf(missing.length > 0)(`on the real Zaqar${needed}`, () => {
  let zaqar: RealZaqar
  let cluster: TestCluster

  beforeAll(async () => {
    zaqar = await startZaqar()
    cluster = await startCluster({ ...settings, openQueue: zaqarUnderTest(() => zaqar) })
  }, startWithinMs)
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]()
    await zaqar?.[Symbol.asyncDispose]()
  })

  test.for([
    ['Redis is restarted', async () => await zaqar.restartRedis({ keepData: true })],
    ['Redis is killed', killRedis],
    ['Zaqar is killed', async () => await zaqar.restartZaqar('SIGKILL')],
    ['Keystone is away', restartKeystone],
  ] as const)('each command runs once when, under load, %s', async ([, disturb]) => {
    const marks = aMark()
    const posting = postMarking(cluster, marks, numbers(30))
    await disturb()
    const ends = await Promise.all(endings(cluster)(await posting))
    expect(new Set(ends)).toEqual(new Set(['succeeded']))
    expect(await readMarks(cluster, marks)).toEqual(numbers(30))
  })

  test('a command that Redis lost with its data ends as lost, and the next one runs', async () => {
    await runOnce(cluster, 1)
    await cluster.agent.stop('SIGKILL')
    const soon = { startWithinSeconds: 3, timeoutSeconds: 3 }
    const lost = await postMarking(cluster, aMark(), [0], soon)
    for (const id of lost) await untilPosted(cluster, id)
    await zaqar.restartRedis({ keepData: false })
    await cluster.restartAgent()
    await runOnce(cluster, 1)
    expect(await Promise.all(endings(cluster)(lost))).toEqual(['lost'])
  })

  const page = '<html><body><h1>502 Bad Gateway</h1></body></html>'
  test.for<[string, GateAnswer | 'drop']>([
    [
      'a text that it is unavailable',
      {
        status: 503,
        contentType: 'text/plain',
        body: 'The Keystone service is temporarily unavailable.',
      },
    ],
    ['a proxy’s page', { status: 502, contentType: 'text/html', body: page }],
    ['a page instead of JSON', { status: 200, contentType: 'text/html', body: page }],
    ['a page where nothing is', { status: 404, contentType: 'text/html', body: page }],
    ['nothing: the connection is cut', 'drop'],
  ])('each command runs once when every other answer is %s', async ([, answer]) => {
    let count = 0
    const everyOther = { before: async () => ((count += 1) % 2 === 0 ? 'pass' : answer) } as const
    cluster.agentGate.setGate(everyOther)
    cluster.controllerGate.setGate(everyOther)
    try {
      await runOnce(cluster, 5)
    } finally {
      cluster.agentGate.setGate({})
      cluster.controllerGate.setGate({})
    }
  })

  test('each command runs once when every third answer is cut in its middle', async () => {
    let count = 0
    const cut = { after: async () => ((count += 1) % 3 === 0 ? 'halve' : 'pass') } as const
    cluster.agentGate.setGate(cut)
    cluster.controllerGate.setGate(cut)
    try {
      // A claim whose answer was cut hides its messages until it ends.
      const aging = setInterval(() => void cluster.queue.shift(70_000), 1000)
      await runOnce(cluster, 5).finally(() => clearInterval(aging))
    } finally {
      cluster.agentGate.setGate({})
      cluster.controllerGate.setGate({})
    }
  })

  test('each command runs once when Zaqar hands its message to two claimers', async () => {
    await using keeper = await hireKeeper(zaqar)
    await runOnce(cluster, 1)
    await cluster.agent.stop('SIGKILL')
    const marks = aMark()
    const ids = await postMarking(cluster, marks, [0, 1, 2])
    for (const id of ids) await untilPosted(cluster, id)
    const queue = (await readCredentials(cluster)).claim.paths[0]?.split('/')[3] ?? ''
    // Stock Zaqar takes whatever lies behind the first claimable message, claimed or not.
    const first = await claim(keeper, queue, 1)
    const acknowledging = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    let isHeld = false
    // From its acknowledgement on everything that the agent asks stands still, its next claim too.
    cluster.agentGate.setGate({
      before: async ({ method, path }) => {
        isHeld ||= method === 'DELETE' && path.includes('/messages?ids=')
        if (isHeld) {
          acknowledging.resolve()
          await goOn.promise
        }
        return 'pass'
      },
    })
    await cluster.restartAgent()
    await acknowledging.promise
    await keeper.releaseClaim(queue, first)
    const second = await claim(keeper, queue, 3)
    expect(second.messages.length).toBeGreaterThan(1)
    cluster.agentGate.setGate({})
    goOn.resolve()
    await keeper.releaseClaim(queue, second)
    expect(await Promise.all(endings(cluster)(ids))).toEqual([
      'succeeded',
      'succeeded',
      'succeeded',
    ])
    expect(await readMarks(cluster, marks)).toEqual([0, 1, 2])
  })

  test('an agent whose signed URLs end in the middle comes back over the lobby', async () => {
    await cluster.agent.stop('SIGKILL')
    const credentials = await readCredentials(cluster)
    await writeCredentials(cluster, {
      claim: endingSoon(credentials.claim),
      acknowledge: endingSoon(credentials.acknowledge),
      reply: endingSoon(credentials.reply),
      lobby: endingSoon(credentials.lobby),
    })
    await cluster.restartAgent()
    await runOnce(cluster, 1)
    await waitFor('new credentials', async () => {
      const { claim: renewed } = await readCredentials(cluster)
      return new Date(`${renewed.expires}Z`).getTime() > Date.now() + 3_600_000
    })
    await runOnce(cluster, 3)
  })

  test('a changed secret key stops the agent, which says why, and goes on when the key is back', async () => {
    const before = zaqar.secretKey()
    await zaqar.setSecretKey('another-key')
    await waitFor('the agent to say why', () =>
      cluster.agent.recentOutput().includes('ERR_SIGNED_URL_REFUSED'),
    )
    await zaqar.setSecretKey(before)
    await runOnce(cluster, 1)
  })

  test('after a changed secret key, fresh user-data brings the agent back with its old key', async () => {
    await zaqar.setSecretKey('yet-another-key')
    const { value } = await cluster.api.renderUserData('test', { instance: cluster.guest.name })
    await cluster.guest.applyUserData(value.userData)
    await runOnce(cluster, 1)
  })

  async function killRedis(): Promise<void> {
    await zaqar.stopRedis('SIGKILL')
    await zaqar.startRedis()
  }

  async function restartKeystone(): Promise<void> {
    await zaqar.stopKeystone()
    await zaqar.startKeystone()
  }

  /** The same right until a few seconds from now, signed with Zaqar's own key. */
  function endingSoon(url: SignedUrl): SignedUrl {
    return signUrl({ ...url, expires: new Date(Date.now() + 4000) }, zaqar.secretKey())
  }
})

describe.skipIf(missing.length > 0)(`with tokens that last a few seconds${needed}`, () => {
  let zaqar: RealZaqar
  let cluster: TestCluster
  beforeAll(async () => {
    zaqar = await startZaqar({ tokenLifeSeconds: 5 })
    cluster = await startCluster({ ...settings, openQueue: zaqarUnderTest(() => zaqar) })
  }, startWithinMs)
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]()
    await zaqar?.[Symbol.asyncDispose]()
  })

  test('commands go on over the ends of several tokens', async () => {
    const end = performance.now() + 12_000
    while (performance.now() < end) await runOnce(cluster, 2)
  })

  test('what comes while Keystone is away runs when it is back, although the token has ended', async () => {
    await zaqar.stopKeystone()
    const marks = aMark()
    const ids = await postMarking(cluster, marks, [0, 1])
    await waitFor('the controller to miss Keystone', () =>
      cluster.controller.recentOutput().includes('ERR_KEYSTONE_UNREACHABLE'),
    )
    await zaqar.startKeystone()
    expect(await Promise.all(endings(cluster)(ids))).toEqual(['succeeded', 'succeeded'])
    expect(await readMarks(cluster, marks)).toEqual([0, 1])
  })
})

let markCount = 0

function aMark(): string {
  markCount += 1
  return `marks-${markCount}`
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

async function runOnce(cluster: TestCluster, count: number): Promise<void> {
  const marks = aMark()
  const ids = await postMarking(cluster, marks, numbers(count))
  expect(new Set(await Promise.all(endings(cluster)(ids)))).toEqual(new Set(['succeeded']))
  expect(await readMarks(cluster, marks)).toEqual(numbers(count))
}

/** Each command leaves its number in a file each time that it runs. */
async function postMarking(
  { api, directory }: TestCluster,
  marks: string,
  which: readonly number[],
  limits: { startWithinSeconds?: number; timeoutSeconds?: number } = {},
): Promise<string[]> {
  const ids: string[] = []
  for (const number of which) {
    const script = `echo ${number} >> ${join(directory, marks)}`
    const target = { cluster: 'test', instance: 'worker-1' }
    const operation = { name: 'exec' as const, argv: ['sh', '-c', script] }
    const { value } = await api.postCommand(target, { operation, ...limits })
    ids.push(...value.map(({ id }) => id))
  }
  return ids
}

function endings({ api }: TestCluster): (ids: readonly string[]) => Promise<string>[] {
  return (ids) =>
    ids.map(async (id) => {
      while (true) {
        const { value } = await api.getCommand(id, { wait: true })
        if (value.ended) return value.state
      }
    })
}

async function untilPosted({ api }: TestCluster, id: string): Promise<void> {
  await waitFor('the command to be posted', async () => {
    const { value } = await api.getCommand(id)
    return value.state === 'posted'
  })
}

async function readMarks({ directory }: TestCluster, marks: string): Promise<number[]> {
  const text = await readFile(join(directory, marks), 'utf8')
  return text
    .trim()
    .split('\n')
    .map(Number)
    .toSorted((a, b) => a - b)
}

const StoredEnrolment = z.looseObject({ credentials: Credentials })

function credentialsPath({ guest }: TestCluster): string {
  return join(guest.stateDirectory, 'credentials.json')
}

async function readCredentials(cluster: TestCluster): Promise<Credentials> {
  const text = await readFile(credentialsPath(cluster), 'utf8')
  return StoredEnrolment.parse(JSON.parse(text)).credentials
}

async function writeCredentials(
  cluster: TestCluster,
  changes: Partial<Credentials>,
): Promise<void> {
  const text = await readFile(credentialsPath(cluster), 'utf8')
  const stored = StoredEnrolment.parse(JSON.parse(text))
  const changed = { ...stored, credentials: { ...stored.credentials, ...changes } }
  await writeFile(credentialsPath(cluster), JSON.stringify(changed), { mode: 0o600 })
}

async function claim(keeper: ZaqarClient, queue: string, limit: number): Promise<ClaimFound> {
  const found = await keeper.claimMessages(queue, { limit, ttlSeconds: 60 })
  if (found.claimId === undefined) throw new Error(`nothing to claim in ${queue}`)
  return found
}
