import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { z } from 'zod'
import { Credentials } from '../../protocol/messages/credentials.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { createZaqarClient, type ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import { queueAsProcess } from '../system/queue-under-test.ts'
import { startCluster, type TestCluster } from '../system/start-cluster.ts'
import { waitFor } from '../system/wait-for.ts'

let cluster: TestCluster
/** Whoever runs the queue service: may do anything there. */
let keeper: ZaqarClient
beforeAll(async () => {
  cluster = await startCluster({ openQueue: queueAsProcess })
  const tokenFile = join(cluster.directory, 'queue.db.token')
  const token = (await readFile(tokenFile, 'utf8')).trim()
  keeper = createZaqarClient(
    {
      endpoint: cluster.queue.url,
      clientId: randomUUID(),
      projectId: 'sahara',
      auth: { kind: 'token', getToken: async () => token },
    },
    realWorld(),
  )
})
afterAll(async () => {
  await keeper.close()
  await cluster[Symbol.asyncDispose]()
})

const target = { cluster: 'test', instance: 'worker-1' }
const marks = (): string => join(cluster.directory, 'marks')

async function begin(script: string): Promise<string> {
  const operation = { name: 'exec' as const, argv: ['sh', '-c', script] }
  const [command] = (await cluster.api.postCommand(target, { operation })).value
  if (!command) throw new Error('no command was made')
  return command.id
}

async function endOf(id: string) {
  for (;;) {
    const { value } = await cluster.api.getCommand(id, { wait: true })
    if (value.ended) return value
  }
}

async function alertCodes(): Promise<string[]> {
  const { value } = await cluster.api.getInstance(target)
  return value.alerts.map(({ code }) => code)
}

describe('what whoever runs the queue service may put there', () => {
  test('is dropped and raised as an alert where it is no message of ours, and changes nothing', async () => {
    await rm(marks(), { force: true })
    const ran = await endOf(await begin(`echo real >> ${marks()}`))
    expect(ran.state).toBe('succeeded')
    const [real] = seenBodies()
    if (!real) throw new Error('no command was seen')
    const { sealed } = real.body
    const hostile = [
      null,
      7,
      'text',
      [],
      {},
      { v: 1 },
      { v: 1, sealed: '' },
      { v: 1, sealed: 'a.b.c.d.e' },
      { v: 2, sealed },
      { v: 1, sealed: sealed.slice(0, -20) },
      { v: 1, sealed: sealed.slice(sealed.indexOf('.')) },
      { v: 1, sealed: randomBytes(2000).toString('base64url') },
      { v: 1, sealed: `${sealed.slice(0, -1)}${sealed.endsWith('A') ? 'B' : 'A'}` },
      // A true command, once more.
      real.body,
    ].map((body) => ({ body, ttlSeconds: 300 }))
    for await (const { name } of keeper.listQueues()) {
      // A body that is no JSON object is refused by the service itself.
      for (const message of hostile) await keeper.postMessages(name, [message]).catch(isRefusal)
    }
    const after = await endOf(await begin(`echo after >> ${marks()}`))
    expect(after.state).toBe('succeeded')
    expect(await readFile(marks(), 'utf8')).toBe('real\nafter\n')
    await waitFor('the alerts', async () => {
      const codes = await alertCodes()
      return ['seal-broken', 'malformed', 'other-version', 'replayed'].every((code) =>
        codes.includes(code),
      )
    })
    for (const program of [cluster.agent, cluster.controller]) {
      expect(() => process.kill(program.pid, 0)).not.toThrow()
    }
  })
})

describe("an instance's signed URL, tried by its holder at the queue service", () => {
  test('opens nothing but what it is for, and every failure looks the same', async () => {
    const { claim, reply } = await readCredentials()
    const own = claim.paths[0] ?? ''
    const later = '2099-01-01T00:00:00'
    const attempts = [
      { url: { ...claim, paths: [...claim.paths] }, method: 'POST', path: reply.paths[0] ?? '' },
      { url: claim, method: 'GET', path: own },
      { url: claim, method: 'DELETE', path: own.replace('/claims', '') },
      { url: { ...claim, signature: reply.signature }, method: 'POST', path: own },
      { url: { ...claim, expires: later }, method: 'POST', path: own },
      { url: { ...claim, methods: ['GET', ...claim.methods] }, method: 'GET', path: own },
      { url: { ...claim, paths: [reply.paths[0] ?? ''] }, method: 'POST', path: reply.paths[0] },
    ]
    const answers = []
    for (const { url, method, path = '' } of attempts) answers.push(await knock(url, method, path))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]))
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1)
    expect((await knock(claim, 'POST', own)).status).toBeLessThan(300)
  })

  test('ends at its expiry', async () => {
    const queue = `sa-l-${'1'.repeat(32)}`
    await keeper.createQueue(queue)
    const expires = new Date(Date.now() + 60_000)
    const url = await keeper.shareQueue(queue, { paths: ['claims'], methods: ['POST'], expires })
    const path = `/v2/queues/${queue}/claims`
    expect((await knock(url, 'POST', path)).status).toBe(204)
    await cluster.queue.shift(61_000)
    expect((await knock(url, 'POST', path)).status).toBe(404)
  })
})

describe('what a person sends to the API', () => {
  const commands = 'clusters/test/instances/worker-1/commands'

  test.for([
    ['malformed JSON', '{"operation": {"name": "exec", }', 400, /ERR_REQUEST_INVALID/],
    ['an unknown key', '{"operation":{"name":"ping"},"timeout":3}', 400, /timeout/],
    ['an unknown operation', '{"operation":{"name":"fly"}}', 400, /operation/],
    ['a deep one', '['.repeat(100_000), 400, /ERR_REQUEST_INVALID/],
    [
      'more than a body may be',
      JSON.stringify({ x: 'x'.repeat(2 ** 23) }),
      413,
      /ERR_BODY_TOO_LARGE/,
    ],
  ] as const)('is refused by code when it is %s', async ([, body, status, says]) => {
    const answer = await send(commands, body)
    expect(answer.status).toBe(status)
    expect(answer.text).toMatch(says)
  })
})

describe('a post that is larger than the queue service takes', () => {
  test('is refused, and the service goes on', async () => {
    const queue = `sa-l-${'0'.repeat(32)}`
    await keeper.createQueue(queue)
    const body = { text: 'x'.repeat(300_000) }
    await expect(keeper.postMessages(queue, [{ body, ttlSeconds: 60 }])).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_/),
    })
    await keeper.postMessages(queue, [{ body: { text: 'x' }, ttlSeconds: 60 }])
    await keeper.deleteQueue(queue)
  })
})

describe('a queue service that is down', () => {
  test('when all others start is waited for, and nothing that was asked meanwhile is lost', async () => {
    await using down = await startCluster({ openQueue: queueAsProcess })
    await down.agent.stop('SIGKILL')
    await down.controller.stop('SIGKILL')
    const cut = { before: async () => 'drop' as const }
    for (const gate of [down.agentGate, down.controllerGate]) gate.setGate(cut)
    await down.restartController()
    await down.restartAgent()
    const operation = { name: 'exec' as const, argv: ['sh', '-c', 'echo up'] }
    const [command] = (await down.api.postCommand(target, { operation })).value
    expect(command?.state).toBe('queued')
    for (const gate of [down.agentGate, down.controllerGate]) gate.setGate({})
    const { value } = await down.api.getCommand(command?.id ?? '', { wait: true })
    expect(value).toMatchObject({ state: 'succeeded', outputBytes: 3 })
  })

  test('when a result is due gets it later, once', async () => {
    let refused = 0
    cluster.agentGate.setGate({
      before: async ({ method, path }) => {
        if (method !== 'POST' || !path.includes('/sa-r-') || refused === 3) return 'pass'
        refused += 1
        return 'drop'
      },
    })
    const record = await endOf(await begin('echo out'))
    cluster.agentGate.setGate({})
    expect(record).toMatchObject({ state: 'succeeded', outputBytes: 4, outputComplete: true })
    expect(refused).toBe(3)
  })
})

describe('a program that cannot start says why', () => {
  let directory = ''
  let taken = 0
  const holder = createServer()
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'bad-start-'))
    holder.listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const address = holder.address()
    if (address !== null && typeof address === 'object') taken = address.port
  })
  afterAll(async () => {
    holder.close()
    await rm(directory, { recursive: true })
  })

  const writeConfig = async (name: string, config: object): Promise<string> => {
    const path = join(directory, name)
    await writeFile(path, stringify(config))
    return path
  }

  test('sahara-agent: a typo in its configuration, in its bootstrap, and a file that is no YAML', async () => {
    const stateDirectory = join(directory, 'agent')
    const typo = await writeConfig('agent.yaml', { stateDirectory, lanes: { concurency: 4 } })
    const first = await run('agent', ['run', '--config', typo])
    expect(first.exitCode).not.toBe(0)
    expect(first.stderr).toMatch(/agent\.yaml.*lanes\.concurency.*ERR_CONFIG_INVALID/s)
    await writeFile(typo, 'stateDirectory: [')
    expect((await run('agent', ['run', '--config', typo])).stderr).toMatch(/not YAML/)
    const missing = await run('agent', ['run', '--config', join(directory, 'none.yaml')])
    expect(missing.stderr).toMatch(/none\.yaml/)
  })

  test('sahara-controller: a typo in its configuration', async () => {
    const queue = { url: 'http://127.0.0.1:1', auth: 'none' }
    const config = { stateDirectory: join(directory, 'c'), queue, limits: { cluster: 3 } }
    const typo = await writeConfig('controller.yaml', config)
    const ran = await run('controller', ['serve', '--config', typo])
    expect(ran.exitCode).not.toBe(0)
    expect(ran.stderr).toMatch(/limits\.cluster\b.*ERR_CONFIG_INVALID/s)
  })

  test('sahara-queue: a flag with a typo, which is all its configuration', async () => {
    const ran = await run('queue', ['serve', '--database', join(directory, 'q'), '--prot', '1'])
    expect(ran).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--prot') })
  })

  test('a port that is taken, for the queue service and for the controller', async () => {
    const database = join(directory, 'q2.db')
    const queue = await run('queue', ['serve', '--database', database, '--port', String(taken)])
    expect(queue.exitCode).not.toBe(0)
    expect(queue.stderr).toContain(String(taken))
    const tokenFile = join(directory, 'token')
    await writeFile(tokenFile, 'x'.repeat(40), { mode: 0o600 })
    const stateDirectory = join(directory, 'c2')
    for (const [name, settings] of Object.entries({
      api: {
        listen: { port: taken, tokenFile },
        queue: { url: 'http://127.0.0.1:1', auth: 'none' },
      },
      embedded: { queue: { embedded: { port: taken } } },
    })) {
      const config = await writeConfig(`${name}.yaml`, { stateDirectory, ...settings })
      const ran = await run('controller', ['serve', '--config', config])
      expect(ran.exitCode).not.toBe(0)
      expect(ran.stderr).toContain(String(taken))
      expect(ran.stderr).toMatch(/\(ERR_[A-Z_]+\)/)
    }
  })
})

const Written = z.looseObject({ credentials: Credentials })
const Posted = z.object({
  messages: z.array(z.object({ body: z.object({ v: z.number(), sealed: z.string() }) })),
})

/** The bodies that the controller's last POST with a command had. */
function seenBodies(): z.output<typeof Posted>['messages'] {
  const post = cluster.controllerGate.passed.findLast(
    ({ method, path }) => method === 'POST' && /\/sa-c-[^/]+\/messages$/.test(path),
  )
  return Posted.parse(JSON.parse(post?.body ?? '')).messages
}

function isRefusal(error: unknown): void {
  if (!(error instanceof Error && 'code' in error)) throw error
}

/** It writes them a moment after the controller has welcomed it. */
async function readCredentials() {
  const path = join(cluster.guest.stateDirectory, 'credentials.json')
  await waitFor('the credentials', () => existsSync(path))
  const { credentials } = Written.parse(JSON.parse(await readFile(path, 'utf8')))
  return credentials
}

async function knock(url: Credentials['claim'], method: string, path: string) {
  const answer = await request(new URL(path, cluster.queue.url), {
    method: method === 'GET' ? 'GET' : method === 'DELETE' ? 'DELETE' : 'POST',
    headers: {
      'client-id': randomUUID(),
      'x-project-id': url.project,
      'content-type': 'application/json',
      'url-signature': url.signature,
      'url-expires': url.expires,
      'url-methods': url.methods.join(','),
      'url-paths': url.paths.join(','),
    },
    body: method === 'POST' ? '{}' : null,
  })
  return { status: answer.statusCode, body: await answer.body.text() }
}

async function send(path: string, body: string) {
  const socketPath = join(cluster.directory, 'controller.sock')
  const dispatcher = new Agent({ connect: { socketPath } })
  const answer = await request(`http://localhost/v1/${path}`, {
    dispatcher,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  const text = await answer.body.text()
  await dispatcher.destroy()
  return { status: answer.statusCode, text }
}

async function run(program: string, programArguments: readonly string[]) {
  const path = fileURLToPath(new URL(`../../${program}/main.ts`, import.meta.url))
  const ran = await execa(process.execPath, [path, ...programArguments], {
    reject: false,
    timeout: 30_000,
  })
  return { exitCode: ran.exitCode, stderr: ran.stderr }
}
