import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import packageJson from '../package.json' with { type: 'json' }
import { realWorld } from '../protocol/real-world.ts'
import { aClient, bodiesOf, openTestQueue } from '../test/open-test-queue.ts'

let directory = ''
const children = new Set<ChildProcess>()
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sahara-queue-'))
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
  await rm(directory, { recursive: true })
})

function start(...args: string[]) {
  const main = join(import.meta.dirname, 'main.ts')
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (output.stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)))
  const exited = once(child, 'close').then(([code]) => ({ code: Number(code), ...output }))
  return { child, exited, lines: createInterface(child.stdout) }
}

async function serve(...args: string[]) {
  const database = join(directory, 'queue.db')
  const started = start('serve', '--port', '0', '--database', database, '--json', ...args)
  const [line] = await once(started.lines, 'line')
  const { url } = z
    .strictObject({ event: z.literal('listening'), url: z.url() })
    .parse(JSON.parse(String(line)))
  const token = (await readFile(`${database}.token`, 'utf8')).trim()
  const headers = { 'client-id': aClient, 'x-project-id': 'p1', 'x-auth-token': token }
  return { ...started, database, url, token, headers }
}

// Each starts processes of its own, on a machine that may be busy.
describe('sahara-queue', { timeout: 30_000 }, () => {
  test('tells its version, its help with examples and its exit codes', async () => {
    expect(await start('--version').exited).toMatchObject({
      code: 0,
      stdout: `${packageJson.version}\n`,
    })
    const help = await start('--help').exited
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('Exit codes:') })
    const serveHelp = await start('serve', '--help').exited
    expect(serveHelp).toMatchObject({ code: 0, stdout: expect.stringContaining('Examples:') })
  })

  test.for([
    [['serve'], 2, '--database'],
    [['serve', '--database', 'DIR/q.db', '--prot', '1'], 2, '--prot'],
    [['serve', '--database', 'DIR/q.db', '--port', '70000'], 2, 'ERR_CONFIG_INVALID'],
    [
      ['serve', '--database', 'DIR/q.db', '--auth', 'none', '--host', '0.0.0.0'],
      2,
      'ERR_CONFIG_INVALID',
    ],
    [['serve', '--database', 'DIR/q.db', '--tls-cert', 'x'], 2, '--tls-key'],
    [['serve', '--database', 'DIR/none/q.db', '--port', '0'], 1, 'ERR_DATABASE_UNUSABLE'],
  ] as const)('exits upon %j with %d and a reason', async ([args, code, reason]) => {
    const { exited } = start(...args.map((arg) => arg.replace('DIR', directory)))
    expect(await exited).toMatchObject({ code, stderr: expect.stringContaining(reason) })
  })

  test('has after SIGKILL all that it had acknowledged', async () => {
    const { child, database, url, headers } = await serve()
    const acknowledged: number[] = []
    const exited = once(child, 'exit')
    const poster = async (first: number) => {
      for (let body = first; ; body += 8) {
        const reply = await request(`${url}/v2/queues/q/messages`, {
          method: 'POST',
          headers,
          body: JSON.stringify({ messages: [{ body }] }),
        })
        await reply.body.dump()
        if (reply.statusCode === 201) acknowledged.push(body)
        if (acknowledged.length === 200) child.kill('SIGKILL')
      }
    }
    const posters = Array.from({ length: 8 }, (_, index) => poster(index).catch(() => {}))
    await Promise.all([exited, ...posters])
    const found: unknown[] = []
    await using queue = await openTestQueue({ database }, realWorld())
    for (;;) {
      const page = bodiesOf(await queue.send('DELETE', '/v2/queues/q/messages?pop=20'))
      if (page.length === 0) break
      found.push(...page)
    }
    expect(found).toEqual(expect.arrayContaining(acknowledged))
    expect(new Set(found).size).toBe(found.length)
  })

  test('upon SIGTERM answers who waits with nothing and exits 0, with no secret in its log', async () => {
    const { child, url, headers, token, exited } = await serve('--log-level', 'debug')
    const waiting = request(`${url}/v2/queues/q/claims`, {
      method: 'POST',
      headers: { ...headers, prefer: 'wait=60' },
    })
    await expect
      .poll(async () => (await request(`${url}/v2/health`, { headers })).body.json(), {
        interval: 5,
      })
      .toMatchObject({ waiting_requests: 1 })
    child.kill('SIGTERM')
    expect((await waiting).statusCode).toBe(204)
    const end = await exited
    expect(end).toMatchObject({ code: 0, stderr: expect.stringContaining('SIGTERM') })
    expect(end.stderr).not.toContain(token)
  })

  test('refuses a port, or a database, that another one uses', async () => {
    const { url, database } = await serve()
    const { port } = new URL(url)
    const samePort = start('serve', '--port', port, '--database', join(directory, 'other.db'))
    const reason = expect.stringContaining('ERR_PORT_TAKEN')
    expect(await samePort.exited).toMatchObject({ code: 1, stderr: reason })
    const sameFile = start('serve', '--port', '0', '--database', database)
    const inUse = expect.stringContaining('ERR_DATABASE_IN_USE')
    expect(await sameFile.exited).toMatchObject({ code: 1, stderr: inUse })
  })
})
