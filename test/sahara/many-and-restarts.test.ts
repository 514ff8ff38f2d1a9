import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { endRunner } from '../system/end-runner.ts'
import { type System, startSystem } from '../system/start-system.ts'
import { waitFor } from '../system/wait-for.ts'
import { type CallEnd, type Engine, type EngineJob, startEngine } from './drive-instances.ts'
import { installDriver } from './install-driver.ts'
import { missingSaharaPackages } from './missing-packages.ts'
import { runPythonTests } from './run-python-tests.ts'

const missing = missingSaharaPackages()
const reason = missing.length > 0 ? ` (skipped: install ${missing.join(', ')})` : ''
const patienceMs = 240_000
/** Root's own `.bashrc` is none of this test's; Debian's `daemon` has a home, and none. */
const user = process.getuid?.() === 0 ? 'daemon' : userInfo().username

/** Two clusters of two instances each: real agents, a controller that is reached over TLS with a token, and engines. */
describe.skipIf(missing.length > 0)(`Sahara's engine and a remote controller${reason}`, () => {
  const parts = new AsyncDisposableStack()
  let directory: string
  let driver: string
  let system: System
  let settings: Record<string, unknown>
  /** Of the test that runs: what is begun, marks, and the sign to go on. */
  let files: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sahara-engine-'))
    parts.defer(async () => await rm(directory, { recursive: true, force: true, maxRetries: 5 }))
    driver = await installDriver(directory)
    const listen = await makeListen(directory)
    system = parts.use(await startSystem(join(directory, 'system'), { listen }))
    settings = {
      controller_url: `https://127.0.0.1:${listen.port}`,
      token_file: listen.tokenFile,
      ca_file: listen.tls.certificateFile,
    }
    for (const cluster of ['large', 'small']) await startInstances(cluster)
  }, patienceMs)
  afterAll(async () => await parts.disposeAsync(), patienceMs)
  beforeEach(async () => {
    files = await mkdtemp(join(directory, 'test-'))
    await chmod(directory, 0o755)
    await chmod(files, 0o777)
  })

  const startInstances = async (cluster: string): Promise<void> => {
    await must('cluster', 'create', cluster)
    for (const number of [1, 2]) {
      const guest = await system.createGuest(`${cluster}-${number}`)
      await guest.applyUserData(await must('user-data', cluster, '--instance', guest.name))
      parts.defer(async () => await endRunner(guest.stateDirectory))
      parts.use(await guest.startAgent())
    }
  }
  const must = async (...words: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await system.cli(words)
    if (exitCode !== 0) throw new Error(`sahara-controller ${words.join(' ')}: ${stderr}`)
    return stdout
  }
  const startCalls = (calls: EngineJob['calls'], more: Record<string, unknown> = {}): Engine => {
    const job = { settings: { ...settings, ...more }, user, calls }
    return startEngine(driver, job)
  }
  /** Runs until the test says so, and leaves a mark each time that it is run. */
  const held = (name: string): string =>
    `touch ${files}/${name}.begun; until [ -e ${files}/go ]; do sleep 0.2; done; echo ran >>${files}/${name}.marks; echo ${name}`
  const haveBegun = async (...names: string[]): Promise<void> => {
    for (const name of names) {
      await waitFor(`${name} to begin`, async () => await isThere(`${name}.begun`), patienceMs)
    }
  }
  const isThere = async (name: string): Promise<boolean> =>
    await readFile(join(files, name)).then(
      () => true,
      () => false,
    )
  const marksOf = async (name: string): Promise<string> =>
    await readFile(join(files, `${name}.marks`), 'utf8')
  const letGo = async (): Promise<void> => await writeFile(join(files, 'go'), '')

  test('need each other’s proof: certificate and token', { timeout: patienceMs }, async () => {
    await mkdir(join(files, 'tokens'))
    await runPythonTests('test_remote_controller', driver, {
      CONTROLLER_URL: String(settings['controller_url']),
      TOKEN_FILE: String(settings['token_file']),
      CA_FILE: String(settings['ca_file']),
      SHARED: join(files, 'tokens'),
    })
  })

  test('carry two hundred calls at once, each to its own end', {
    timeout: patienceMs,
  }, async () => {
    const calls = Array.from({ length: 200 }, (_, index) =>
      aCall(index % 4 < 2 ? 'large' : 'small', (index % 2) + 1, `echo ${index}; exit ${index % 7}`),
    )
    await using engine = startCalls(calls)
    const ends = await engine.ends
    expect(ends.toSorted((one, other) => one.call - other.call)).toEqual(
      calls.map((_, call) => ({ call, code: call % 7, stdout: `${call}\n` })),
    )
  })

  test('let one cluster’s calls wait for no more than their share of another’s', {
    timeout: patienceMs,
  }, async () => {
    const many = Array.from({ length: 60 }, (_, index) => aCall('large', (index % 2) + 1, 'true'))
    // Asked for last, behind all of them.
    await using engine = startCalls([...many, aCall('small', 1, 'echo small')], {
      global_concurrency: 4,
    })
    const ends = await engine.ends
    expect(ends).toHaveLength(61)
    expect(ends.findIndex(({ call }) => call === 60)).toBeLessThan(50)
  })

  test('end calls as they would have, when the controller is killed in their midst', {
    timeout: patienceMs,
  }, async () => {
    const names = ['one', 'two', 'three']
    const calls = names.map((name, index) => aCall('large', (index % 2) + 1, held(name)))
    await using engine = startCalls(calls)
    await haveBegun(...names)
    await system.controller.stop('SIGKILL')
    await letGo()
    // While it is away, another engine asks for more.
    await using second = startCalls([aCall('small', 1, `${held('late')}; exit 3`)])
    await waitFor('the commands to run', async () => await isThere('one.marks'), patienceMs)
    await system.startController()
    expect(sorted(await engine.ends)).toEqual(
      names.map((name, call) => ({ call, code: 0, stdout: `${name}\n` })),
    )
    expect(await second.ends).toEqual([{ call: 0, code: 3, stdout: 'late\n' }])
    for (const name of [...names, 'late']) expect(await marksOf(name)).toBe('ran\n')
  })

  test('leave a command that has begun to itself, when the engine is killed', {
    timeout: patienceMs,
  }, async () => {
    const engine = startCalls([aCall('large', 1, held('alone'))])
    await haveBegun('alone')
    await engine.kill()
    expect(await engine.ends).toEqual([])
    // The engine that is started in its place is not held up by it, and does not begin it anew.
    await using next = startCalls([aCall('large', 1, 'echo next')])
    expect(await next.ends).toEqual([{ call: 0, code: 0, stdout: 'next\n' }])
    await letGo()
    await waitFor('the command to end', hasSucceeded, patienceMs)
    expect(await marksOf('alone')).toBe('ran\n')
  })

  /** Whether the one command of this test has: no second one was made. */
  const hasSucceeded = async (): Promise<boolean> => {
    const listed = await must('command', 'list', '--cluster', 'large', '--json')
    const { commands } = z.object({ commands: z.array(Listed) }).parse(JSON.parse(listed))
    const ours = commands.filter(({ operation }) =>
      JSON.stringify(operation).includes(`${files}/alone.begun`),
    )
    expect(ours).toHaveLength(1)
    return ours[0]?.state === 'succeeded'
  }
})

const aCall = (cluster: string, number: number, command: string) => ({
  cluster,
  uuid: `uuid-of-${cluster}-${number}`,
  command,
})

const Listed = z.looseObject({ state: z.string(), operation: z.unknown() })

function sorted(ends: readonly CallEnd[]): CallEnd[] {
  return ends.toSorted((one, other) => one.call - other.call)
}

/** A port that is free just now, so that a controller that is started again has the same one; a certificate and a token. */
async function makeListen(directory: string) {
  const [certificateFile, keyFile] = [join(directory, 'api.pem'), join(directory, 'api.key')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const about = ['-days', '2', '-subj', '/CN=controller', '-addext', 'subjectAltName=IP:127.0.0.1']
  const made = ['-keyout', keyFile, '-out', certificateFile]
  await execa('openssl', ['req', '-x509', ...kind, ...about, ...made])
  const tokenFile = join(directory, 'api.token')
  await writeFile(tokenFile, 'f'.repeat(64), { mode: 0o600 })
  return {
    host: '127.0.0.1',
    port: await findFreePort(),
    tokenFile,
    tls: { certificateFile, keyFile },
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await server[Symbol.asyncDispose]()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
