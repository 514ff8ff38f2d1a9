import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test, vi } from 'vitest'
import { hasMemory } from '../../agent/secrets/fixtures/has-memory.ts'
import { secretsHomes } from '../../agent/secrets/secret-files.ts'
import { spellingsOf } from '../../agent/secrets/spellings.ts'
import { endRunner } from '../system/end-runner.ts'
import { startCluster, type TestCluster } from '../system/start-cluster.ts'
import { waitFor } from '../system/wait-for.ts'
import { waitForEnd } from './wait-for-end.ts'

vi.setConfig({ testTimeout: 300_000 })
const patienceMs = 120_000

/** Secrets in a file beside the cluster's directory, which is searched for them. */
async function makeSecrets() {
  const directory = await mkdtemp(join(tmpdir(), 'sahara-handed-over-'))
  const password = `pw-${randomBytes(12).toString('hex')}`
  const key = `-----BEGIN KEY-----\n${randomBytes(120).toString('base64')}\n-----END KEY-----\n`
  await writeFile(join(directory, 'key'), key, { mode: 0o600 })
  return {
    password,
    key,
    keyPath: join(directory, 'key'),
    spellings: [password, key].flatMap((secret) => spellingsOf(Buffer.from(secret))),
    [Symbol.asyncDispose]: async () => rm(directory, { recursive: true, force: true }),
  }
}
type Secrets = Awaited<ReturnType<typeof makeSecrets>>

/** `sahara-controller run`, as a person types it. */
async function runCli(cluster: TestCluster, { password, keyPath }: Secrets, words: string[]) {
  const main = new URL('../../controller/main.ts', import.meta.url).pathname
  const secrets = ['--secret', 'db-password=env:PW', '--secret-fd', `host-key=@${keyPath}`]
  const place = ['--socket', join(cluster.directory, 'controller.sock')]
  const { stdout } = await execa(
    process.execPath,
    [main, 'run', 'test/worker-1', ...place, ...secrets, '--detach', ...words],
    { env: { PW: password } },
  )
  return stdout.trim()
}

/** Every file of controller, agent and queue, every log, and what every process shows of itself. */
async function findSecretIn(cluster: TestCluster, { spellings }: Secrets): Promise<string[]> {
  const found: string[] = []
  const look = (where: string, bytes: Buffer) => {
    if (spellings.some((spelling) => bytes.includes(spelling))) found.push(where)
  }
  const entries = await readdir(cluster.directory, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name)
    look(path, await readIfThere(path))
  }
  for (const { name, recentOutput } of [cluster.agent, cluster.controller]) {
    look(`the log of ${name}`, Buffer.from(recentOutput()))
  }
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const file of ['cmdline', 'environ']) {
      look(join('/proc', pid, file), await readIfThere(join('/proc', pid, file)))
    }
  }
  return found
}

async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch {
    return Buffer.alloc(0)
  }
}

const leftHomes = (cluster: TestCluster) =>
  secretsHomes(cluster.guest.stateDirectory).filter((home) => existsSync(home))

async function textOf({ api }: TestCluster, id: string): Promise<string> {
  const chunks = await Array.fromAsync(api.outputBytes(id, 'stdout'))
  return Buffer.concat(chunks).toString()
}

describe.runIf(hasMemory)('secrets of a command', () => {
  test('reach it, and stand nowhere while it runs and afterwards, though agent and controller are killed meanwhile', async () => {
    await using secrets = await makeSecrets()
    await using cluster = await startCluster()
    const [begun, go] = [join(cluster.directory, 'begun'), join(cluster.directory, 'go')]
    const seen = join(secrets.keyPath, '..', 'seen')
    const script = join(cluster.directory, 'script.sh')
    await writeFile(
      script,
      [
        `cat "$DB_PASSWORD_FILE" "$HOST_KEY_FILE" > ${seen}`,
        'password=$(cat "$DB_PASSWORD_FILE")',
        'printf "pass%s\\n" "word: $password"',
        // In two writes, with the agent's death in between.
        'printf "%s" "$password" | cut -c1-12 | tr -d "\\n"',
        `: > ${begun}; while [ ! -e ${go} ]; do sleep 0.1; done`,
        'printf "%s" "$password" | cut -c13-',
        'base64 "$HOST_KEY_FILE"; od -An -v -tx1 "$DB_PASSWORD_FILE" | tr -d " \\n"; echo',
        'printf "user:%s" "$password" | base64; cat "$HOST_KEY_FILE"',
        'set -x; : "$password"',
      ].join('\n'),
    )
    const id = await runCli(cluster, secrets, ['--script', script])
    await waitFor('the command to begin', () => existsSync(begun), patienceMs)
    expect(leftHomes(cluster)).toHaveLength(1)
    expect(await findSecretIn(cluster, secrets)).toEqual([])
    await cluster.restartAgent()
    await cluster.restartController()
    expect(await findSecretIn(cluster, secrets)).toEqual([])
    await writeFile(go, '')
    const record = await waitForEnd(cluster, id)
    // That it is complete means: sizes and digests of the result are those of the redacted output.
    expect(record).toMatchObject({ state: 'succeeded', outputComplete: true })
    expect(record).toMatchObject({
      operation: { secrets: { 'db-password': { via: 'file' }, 'host-key': { via: 'fd' } } },
    })
    expect(await readFile(seen, 'utf8')).toBe(secrets.password + secrets.key)
    const text = await textOf(cluster, id)
    expect(text).toMatch(/^password: \*\*\*\n\*\*\*\n(\*\*\*\n)+/)
    const output = Buffer.from(text + JSON.stringify(record))
    expect(secrets.spellings.filter((spelling) => output.includes(spelling))).toEqual([])
    expect(await findSecretIn(cluster, secrets)).toEqual([])
    expect(leftHomes(cluster)).toEqual([])
    const auditDirectory = join(cluster.guest.stateDirectory, 'audit')
    const lines = await Promise.all(
      (await readdir(auditDirectory)).map(async (name) =>
        readFile(join(auditDirectory, name), 'utf8'),
      ),
    )
    expect(lines.join('')).toContain('"secrets":["db-password","host-key"]')
    // The search itself finds what there is.
    const planted = join(cluster.directory, 'planted')
    await writeFile(planted, `x${Buffer.from(secrets.password).toString('base64')}x`)
    expect(await findSecretIn(cluster, secrets)).toEqual([planted])
  })

  test('are there again when an idempotent command runs anew after the guest died', async () => {
    await using secrets = await makeSecrets()
    const bootIdPath = join(secrets.keyPath, '..', 'boot-id')
    await writeFile(bootIdPath, 'first boot')
    await using cluster = await startCluster({ agent: { bootIdPath } })
    const runs = join(secrets.keyPath, '..', 'runs')
    const script = `sha256sum < "$DB_PASSWORD_FILE" >> ${runs}; [ $(wc -l < ${runs}) -gt 1 ] || sleep 300`
    const words = ['--idempotent', '--', 'sh', '-c', script]
    const id = await runCli(cluster, secrets, words)
    await waitFor('the first run', async () => (await readIfThere(runs)).length > 0, patienceMs)
    await cluster.agent.stop('SIGKILL')
    await endRunner(cluster.guest.stateDirectory)
    await writeFile(bootIdPath, 'second boot')
    await cluster.restartAgent()
    expect(await waitForEnd(cluster, id)).toMatchObject({ state: 'succeeded' })
    const [first, second] = (await readFile(runs, 'utf8')).trim().split('\n')
    expect(second).toBe(first)
    expect(await findSecretIn(cluster, secrets)).toEqual([])
    await waitFor('the files to be gone', () => leftHomes(cluster).length === 0)
  })
})
