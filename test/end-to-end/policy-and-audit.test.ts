import { appendFile, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { z } from 'zod'
import { parseLine } from '../../agent/audit/audit-line.ts'
import { listSegments } from '../../agent/audit/segments.ts'
import type { NewCommand } from '../../controller/api/resources.ts'
import { startCluster, type TestCluster } from '../system/start-cluster.ts'
import { waitFor } from '../system/wait-for.ts'

type Asked = z.input<typeof NewCommand>['operation']

const own = { name: 'only-true', allow: 'exec', argv: [['true'], ['cat', '**']] }

/** A cluster whose agent has a policy, and waits for nothing else. */
async function startWithPolicy(policy: unknown) {
  const cluster = await startCluster({ agent: { policyPath: '/proc/self/cwd/none' } })
  const policyPath = join(cluster.guest.root, 'policy.yaml')
  await setPolicy(policyPath, policy)
  await cluster.agent.stop()
  const agent = await cluster.guest.startAgent({ policyPath })
  return {
    cluster,
    policyPath,
    agent,
    [Symbol.asyncDispose]: async () => {
      await agent.stop()
      await cluster[Symbol.asyncDispose]()
    },
  }
}

async function setPolicy(path: string, policy: unknown): Promise<void> {
  const text = typeof policy === 'string' ? policy : stringify({ version: 1, ...Object(policy) })
  await writeFile(path, text, { mode: 0o644 })
}

async function run({ api }: TestCluster, operation: Asked, text?: string) {
  const where = { cluster: 'test', instance: 'worker-1' }
  const bytes = text === undefined ? {} : { content: { bytes: btoa(text).replaceAll('=', '') } }
  const { value } = await api.postCommand(where, { operation, ...bytes })
  const [{ id } = { id: '' }] = value
  for (;;) {
    const { value: record } = await api.getCommand(id, { wait: true })
    if (record.ended) return record
  }
}

async function agentCli({ guest }: TestCluster, words: readonly string[]) {
  const main = new URL('../../agent/main.ts', import.meta.url).pathname
  const place = ['--directory', join(guest.stateDirectory, 'audit')]
  return await execa(process.execPath, [main, ...words, ...place], { reject: false })
}

const auditFile = ({ guest }: TestCluster) =>
  listSegments(join(guest.stateDirectory, 'audit')).at(-1)?.path ?? ''

async function auditLines(cluster: TestCluster) {
  const text = await readFile(auditFile(cluster), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => parseLine(line))
}

const Alerts = z.looseObject({
  auditHead: z.object({ sequence: z.int(), hash: z.string() }).nullable(),
  alerts: z.array(z.looseObject({ code: z.string() })),
})
async function instance({ api }: TestCluster) {
  const { value } = await api.listInstances('test')
  return Alerts.parse(value.instances[0])
}

describe('an agent with a policy', () => {
  test('refuses through the controller what no rule allows, and names the rule', async () => {
    await using stage = await startWithPolicy({
      rules: [{ name: 'no-shadow', refuse: 'read', paths: ['/etc/shadow'] }, own],
    })
    const { cluster, policyPath, agent } = stage
    expect(await run(cluster, { name: 'exec', argv: ['true'] })).toMatchObject({
      state: 'succeeded',
    })
    expect(await run(cluster, { name: 'exec', argv: ['id'] })).toMatchObject({
      state: 'refused',
      result: { rule: 'built-in/default', reason: { code: 'policy' } },
    })
    expect(await run(cluster, { name: 'exec', script: 'id' })).toMatchObject({ state: 'refused' })
    const link = join(cluster.directory, 'link')
    await execa('ln', ['-s', '/etc/shadow', link])
    expect(await run(cluster, { name: 'read', path: link })).toMatchObject({
      state: 'refused',
      result: { rule: 'no-shadow' },
    })

    // SIGHUP reads it again; nothing else does.
    await setPolicy(policyPath, { preset: 'sahara' })
    expect(await run(cluster, { name: 'exec', argv: ['id'] })).toMatchObject({ state: 'refused' })
    await hangUp(agent.pid, cluster, 'policy')
    expect(await run(cluster, { name: 'exec', argv: ['id'] })).toMatchObject({ state: 'succeeded' })
    const identity = join(cluster.guest.stateDirectory, 'identity.json')
    expect(await run(cluster, { name: 'read', path: identity })).toMatchObject({
      state: 'refused',
      result: { rule: 'built-in/own-files' },
    })
    expect(await run(cluster, { name: 'write', path: policyPath }, 'version: 1')).toMatchObject({
      state: 'refused',
      result: { rule: 'built-in/own-files' },
    })

    // A file that cannot be parsed.
    await setPolicy(policyPath, 'version: 1\nrulez: []\n')
    await hangUp(agent.pid, cluster, 'policy')
    const refused = await run(cluster, { name: 'exec', argv: ['true'] })
    expect(refused).toMatchObject({ state: 'refused', result: { rule: 'built-in/broken-policy' } })
    expect(refused.result?.reason?.message).toContain('line 2')
    await waitFor('an alert', async () =>
      (await instance(cluster)).alerts.some(({ code }) => code === 'policy-broken'),
    )

    // Observed only.
    await setPolicy(policyPath, { mode: 'observe', rules: [own] })
    await hangUp(agent.pid, cluster, 'policy')
    const observed = await run(cluster, { name: 'exec', argv: ['id'] })
    expect(observed).toMatchObject({ state: 'succeeded' })
    const told = (await auditLines(cluster)).filter((line) => line?.command === observed.id)
    expect(told.map((line) => line?.event)).toEqual(['received', 'observed', 'begun', 'ended'])

    // Too much output.
    await setPolicy(policyPath, {
      preset: 'sahara',
      limits: { outputBytes: 1000, timeoutSeconds: 4000 },
    })
    await hangUp(agent.pid, cluster, 'policy')
    expect(await run(cluster, { name: 'exec', argv: ['yes'] })).toMatchObject({
      state: 'failed',
      outputBytes: 1000,
      outputComplete: true,
      result: { rule: 'limits.outputBytes', reason: { code: 'output-limit' } },
    })
  })
})

/** SIGHUP, until the audit log tells of the policy that was read. */
async function hangUp(pid: number, cluster: TestCluster, event: string): Promise<void> {
  const count = async () =>
    (await auditLines(cluster)).filter((line) => line?.event === event).length
  const before = await count()
  process.kill(pid, 'SIGHUP')
  await waitFor('the policy is read again', async () => (await count()) > before)
}

describe('the audit log of an agent', () => {
  test('holds after SIGKILL, goes on, tells no secret, and shows where it was changed', async () => {
    await using cluster = await startCluster()
    const secret = 'hunter2-in-the-environment'
    const { id } = await run(cluster, { name: 'exec', argv: ['true'], env: { PASSWORD: secret } })
    await cluster.restartAgent()
    await run(cluster, { name: 'exec', argv: ['true'] })
    const lines = await auditLines(cluster)
    expect(lines.filter((line) => line?.command === id).map((line) => line?.event)).toEqual([
      'received',
      'begun',
      'ended',
    ])
    expect(await readFile(auditFile(cluster), 'utf8')).not.toContain(secret)
    const good = await agentCli(cluster, ['audit', 'verify'])
    expect(good.stdout).toContain('the chain holds')
    const shown = await agentCli(cluster, ['audit', 'show', '--command', id])
    expect(shown.stdout.split('\n')).toHaveLength(3)
    await waitFor(
      'the controller knows its head',
      async () => (await instance(cluster)).auditHead !== null,
    )

    await cluster.agent.stop('SIGKILL')
    await appendFile(auditFile(cluster), '{"seq":')
    await cluster.restartAgent()
    await run(cluster, { name: 'exec', argv: ['true'] })
    expect((await agentCli(cluster, ['audit', 'verify'])).stdout).toContain('1 lines say "healed"')

    const text = await readFile(auditFile(cluster), 'utf8')
    await writeFile(auditFile(cluster), text.replace('"state":"succeeded"', '"state":"cancelled"'))
    const bad = await agentCli(cluster, ['audit', 'verify'])
    expect(bad).toMatchObject({ exitCode: 1 })
    expect(bad.stderr).toContain('ERR_AUDIT_BROKEN')
  })

  test('that is moved away has commands refused until it is back', async () => {
    await using cluster = await startCluster()
    const directory = join(cluster.guest.stateDirectory, 'audit')
    const begin = async () => run(cluster, { name: 'exec', argv: ['true'] })
    expect(await begin()).toMatchObject({ state: 'succeeded' })
    await rename(directory, `${directory}.away`)
    const refused = await begin()
    expect(refused).toMatchObject({
      state: 'refused',
      result: { reason: { code: 'audit-unavailable' } },
    })
    await waitFor('the alerts', async () => {
      const codes = (await instance(cluster)).alerts.map(({ code }) => code)
      return codes.includes('audit-tampered') && codes.includes('audit-unavailable')
    })
    expect(await agentCli(cluster, ['audit', 'verify'])).toMatchObject({ exitCode: 1 })
    await rename(`${directory}.away`, directory)
    expect(await begin()).toMatchObject({ state: 'succeeded' })
    const { stdout } = await agentCli(cluster, ['audit', 'verify'])
    expect(stdout).toContain('the chain holds')
    expect(stdout).toContain('1 lines say "gap"')
    expect((await auditLines(cluster)).map((line) => line?.command)).not.toContain(refused.id)
  })

  test('that is cut short is an alert at the next heartbeat', async () => {
    await using cluster = await startCluster()
    for (let index = 0; index < 5; index += 1) await run(cluster, { name: 'exec', argv: ['true'] })
    // The first heartbeat of a start tells the head.
    await cluster.restartAgent()
    await waitFor('the head', async () => ((await instance(cluster)).auditHead?.sequence ?? 0) > 15)
    await cluster.agent.stop('SIGKILL')
    const text = await readFile(auditFile(cluster), 'utf8')
    await writeFile(auditFile(cluster), `${text.split('\n').slice(0, 4).join('\n')}\n`)
    await cluster.restartAgent()
    await waitFor('an alert', async () =>
      (await instance(cluster)).alerts.some(({ code }) => code === 'audit-cut-short'),
    )
  })
})
