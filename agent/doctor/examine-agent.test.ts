import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { realWorld } from '../../protocol/real-world.ts'
import { generatePrivateKey, publicPart } from '../../protocol/sealing/keys.ts'
import { signUrl } from '../../protocol/signed-url/sign-url.ts'
import { fakeWorld } from '../../test/fake-world.ts'
import { startServer } from '../../test/programmable-server.ts'
import { openAuditLog } from '../audit/audit-log.ts'
import { AgentConfig } from '../config.ts'
import { findSecretsHome, secretsHomes } from '../secrets/secret-files.ts'
import { examineAgent } from './examine-agent.ts'
import { describeFindings } from './finding.ts'

const direct = {
  settings: {
    httpProxy: { value: null, from: 'default' },
    httpsProxy: { value: null, from: 'default' },
    noProxy: { value: [], from: 'default' },
  },
  certificateAuthorities: [],
}

let place: string
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'sahara-doctor-'))
})
afterEach(() => rmSync(place, { recursive: true, force: true }))

function aConfig(): AgentConfig {
  return AgentConfig.parse({
    bootstrapPath: join(place, 'bootstrap.json'),
    stateDirectory: join(place, 'state'),
    policyPath: join(place, 'policy.yaml'),
    limits: { reserveBytes: 0 },
  })
}

async function writeBootstrap(endpoint: string): Promise<void> {
  const expires = new Date(Date.now() + 86_400_000)
  const url = (paths: string[], methods: ('GET' | 'POST')[]) =>
    signUrl({ project: 'p', paths, methods, expires }, 'k')
  const bootstrap = {
    v: 1,
    cluster: '0197c0de-0000-7000-8000-0000000000c1',
    clusterName: 'web',
    endpoint,
    commandKey: publicPart(await generatePrivateKey('Ed25519')),
    enrolmentKey: publicPart(await generatePrivateKey('X25519')),
    enrolmentSecret: Buffer.alloc(32).toString('base64url'),
    hello: url(['/v2/queues/r/messages'], ['POST']),
    lobby: url(['/v2/queues/l/messages'], ['GET']),
  }
  writeFileSync(join(place, 'bootstrap.json'), JSON.stringify(bootstrap), { mode: 0o600 })
}

function canMake(path: string): boolean {
  try {
    accessSync(dirname(path), constants.W_OK)
    return true
  } catch {
    return false
  }
}

async function verdicts(): Promise<Record<string, string>> {
  const findings = await examineAgent(aConfig(), direct, realWorld())
  return Object.fromEntries(findings.map(({ check, verdict }) => [check, verdict]))
}

describe('the doctor', () => {
  test('says on a bare machine what is missing, and makes nothing', async () => {
    const findings = await examineAgent(aConfig(), direct, realWorld())
    expect(
      Object.fromEntries(findings.map(({ check, verdict }) => [check, verdict])),
    ).toMatchObject({
      agent: 'warn',
      'state directory': 'warn',
      'user-data': 'fail',
      enrolment: 'warn',
      policy: 'ok',
      audit: 'warn',
    })
    for (const { verdict, remedy } of findings) {
      expect(remedy === undefined).toBe(verdict === 'ok')
    }
    expect(describeFindings(findings)).toMatch(
      /^FAIL {2}user-data +no bootstrap file\n +-> make user-data/m,
    )
  })

  test('looks at the audit log, and misses it where an agent has run', async () => {
    const directory = join(place, 'state', 'audit')
    const options = { directory, fileBytes: 65_536, files: 4, onTampered: () => undefined }
    {
      await using log = openAuditLog(options, fakeWorld())
      for (let index = 0; index < 3; index += 1) log.append({ event: 'started' })
    }
    writeFileSync(join(place, 'state', 'agent.db'), '')
    expect(await verdicts()).toMatchObject({ audit: 'ok' })
    const file = join(directory, '0000000000000001.jsonl')
    writeFileSync(file, readFileSync(file, 'utf8').replace('"started"', '"ended"'))
    const changed = await examineAgent(aConfig(), direct, realWorld())
    expect(changed.find(({ check }) => check === 'audit')).toMatchObject({
      verdict: 'fail',
      detail: expect.stringContaining('line 2: the line before it (1) is not the one'),
    })
    rmSync(directory, { recursive: true })
    expect(await verdicts()).toMatchObject({ audit: 'fail' })
    expect(existsSync(directory)).toBe(false)
  })

  test('says whether secrets would be kept in memory, and takes no place for them', async () => {
    const { stateDirectory } = aConfig()
    const before = await verdicts()
    expect(secretsHomes(stateDirectory).filter((home) => existsSync(home))).toEqual([])
    const home = findSecretsHome(stateDirectory)
    expect(before).toMatchObject({ memory: home === null ? 'warn' : 'ok' })
    expect(await verdicts()).toMatchObject({ memory: before['memory'] })
    if (home === null) return
    // Somebody else has been there before us.
    rmSync(home, { recursive: true })
    const taken = secretsHomes(stateDirectory).filter((each) => canMake(each))
    for (const each of taken) symlinkSync(place, each)
    try {
      expect(await verdicts()).toMatchObject({ memory: 'warn' })
    } finally {
      for (const each of taken) rmSync(each)
    }
  })

  test('reaches the queue by the bootstrap’s URL, and compares the clocks', async () => {
    await using server = await startServer({ status: 200, body: '{"messages":[],"links":[]}' })
    await writeBootstrap(server.endpoint)
    expect(await verdicts()).toMatchObject({
      bootstrap: 'ok',
      'user-data': 'ok',
      network: 'ok',
      queue: 'ok',
      clock: 'ok',
    })
    expect(server.requests.at(0)?.url).toMatch(/^\/v2\/queues\/l\/messages/)
  })

  test('tells a clock that is a day off', async () => {
    const date = new Date(Date.now() + 86_400_000).toUTCString()
    const body = '{"messages":[],"links":[]}'
    await using server = await startServer({ status: 200, headers: { date }, body })
    await writeBootstrap(server.endpoint)
    const findings = await examineAgent(aConfig(), direct, realWorld())
    const clock = findings.find(({ check }) => check === 'clock')
    expect(clock).toMatchObject({ verdict: 'warn' })
    expect(clock?.detail).toMatch(/^864\d\d s behind the queue/)
  })

  test('tells a refusal from an outage', async () => {
    await using server = await startServer({ status: 404, body: '{"title":"x"}' })
    await writeBootstrap(server.endpoint)
    const refused = await examineAgent(aConfig(), direct, realWorld())
    expect(refused.find(({ check }) => check === 'queue')?.remedy).toMatch(/new user-data$/)
    await writeBootstrap('http://127.0.0.1:1')
    const findings = await examineAgent(aConfig(), direct, realWorld())
    expect(findings.find(({ check }) => check === 'queue')).toMatchObject({
      verdict: 'fail',
      remedy: expect.stringMatching(/^look at routes/),
    })
  })

  test.skipIf(process.geteuid?.() !== 0)('tells files that others may use', async () => {
    await using server = await startServer({ status: 204 })
    await writeBootstrap(server.endpoint)
    chmodSync(join(place, 'bootstrap.json'), 0o644)
    mkdirSync(join(place, 'state'), { mode: 0o755 })
    expect(await verdicts()).toMatchObject({ bootstrap: 'fail', 'state directory': 'fail' })
  })

  test('tells a policy that cannot be read, and a damaged file of the agent’s own', async () => {
    writeFileSync(join(place, 'policy.yaml'), 'mode: sometimes', { mode: 0o600 })
    mkdirSync(join(place, 'state'), { mode: 0o700 })
    writeFileSync(join(place, 'state', 'credentials.json'), '{"reportKey":"secret"', {
      mode: 0o600,
    })
    const findings = await examineAgent(aConfig(), direct, realWorld())
    const found = findings.filter(({ verdict }) => verdict === 'fail').map(({ check }) => check)
    expect(found).toEqual(['enrolment', 'user-data', 'policy'])
    expect(JSON.stringify(findings)).not.toContain('secret"')
  })
})
