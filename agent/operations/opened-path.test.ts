import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Command } from '../../protocol/messages/command.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { collect } from '../runner/fixtures/runner-bench.ts'
import { createOperations, type Operations } from './begin-command.ts'
import type { CommandToRun } from './operation.ts'

let state: string
let operations: Operations
let place: string
beforeAll(() => {
  state = mkdtempSync(join(tmpdir(), 'sahara-opened-'))
  operations = createOperations({ stateDirectory: state, runnerIdleMs: 300 }, realWorld())
})
afterAll(async () => {
  await operations[Symbol.asyncDispose]()
  rmSync(state, { recursive: true, force: true })
})
beforeEach(() => {
  place = realpathSync(mkdtempSync(join(tmpdir(), 'sahara-files-')))
  for (const folder of ['allowed', 'secret']) mkdirSync(join(place, folder))
  writeFileSync(join(place, 'secret/it'), 'secret')
})
afterEach(() => {
  rmSync(place, { recursive: true, force: true })
})

const refusal = {
  state: 'refused',
  reason: { code: 'policy', message: 'no' },
  rule: 'secrets',
} as const

function toRun(
  operation: Record<string, unknown> & { name: string },
  judgeOpened: CommandToRun['judgeOpened'],
): CommandToRun {
  const id = randomUUID()
  const directory = join(state, 'commands', id)
  mkdirSync(directory, { recursive: true })
  const contentPath = operation.name === 'write' ? join(directory, 'content') : null
  if (contentPath) writeFileSync(contentPath, 'new')
  const now = new Date().toISOString()
  const sha256 = createHash('sha256').update('new').digest('hex')
  const command = Command.parse({
    v: 1,
    id,
    cluster: randomUUID(),
    instance: randomUUID(),
    issuedAt: now,
    startBy: now,
    deadline: now,
    timeoutSeconds: 60,
    replyKey: Buffer.alloc(32).toString('base64url'),
    ...(contentPath ? { content: { size: 3, sha256 } } : {}),
    operation,
  })
  return {
    command,
    directory,
    contentPath,
    deadlineMs: 60_000,
    ...(judgeOpened ? { judgeOpened } : {}),
  }
}

async function run(
  operation: Record<string, unknown> & { name: string },
  judgeOpened: CommandToRun['judgeOpened'],
) {
  const running = await operations.begin(toRun(operation, judgeOpened))
  const output = await collect(running)
  return { output, result: await running.ended }
}

/** A process to which the folder `source` lies at `target`, in a mount namespace of its own. */
async function openNamespace(source: string, target: string) {
  const script = 'mount --bind "$0" "$1" && echo ready && exec sleep 60'
  const child = spawn('unshare', ['-m', '/bin/sh', '-c', script, source, target], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return {
    pid: child.pid,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

const isRoot = process.geteuid?.() === 0

/** As whom files are used: in this process, and in a child of its own. */
const users = isRoot ? [undefined, 'nobody'] : [undefined]

describe.for(users)('the policy, asked about a file that %s has opened', (user) => {
  const as = user === undefined ? {} : { user }
  beforeEach(() => {
    for (const folder of ['', 'allowed', 'secret']) chmodSync(join(place, folder), 0o777)
  })

  test('sees where it truly lies, and its refusal names the rule', async () => {
    symlinkSync(join(place, 'secret/it'), join(place, 'allowed/link'))
    const asked: string[] = []
    const judge = async (path: string) => {
      asked.push(path)
      return refusal
    }
    const { result } = await run({ name: 'read', path: join(place, 'allowed/link'), ...as }, judge)
    expect(result).toMatchObject({ state: 'refused', rule: 'secrets', outputBytes: 0 })
    expect(asked).toEqual([join(place, 'secret/it')])
  })

  test('keeps a file from being written', async () => {
    const path = join(place, 'secret/it')
    const { result } = await run({ name: 'write', path, ...as }, async () => refusal)
    expect(result).toMatchObject({ state: 'refused', rule: 'secrets' })
    expect(readFileSync(path, 'utf8')).toBe('secret')
    expect(readdirSync(join(place, 'secret'))).toEqual(['it'])
  })

  test('is not led astray by a folder that is replaced by a link behind it', async () => {
    const path = join(place, 'allowed/it')
    const replaceFolder = async () => {
      renameSync(join(place, 'allowed'), join(place, 'moved'))
      symlinkSync(join(place, 'secret'), join(place, 'allowed'))
      return null
    }
    const { result } = await run({ name: 'write', path, ...as }, replaceFolder)
    expect(result.state).toBe('failed')
    expect(readFileSync(join(place, 'secret/it'), 'utf8')).toBe('secret')
    expect(readdirSync(join(place, 'secret'))).toEqual(['it'])
  })

  test('is asked again before a write is taken up that a crash cut short', async () => {
    const path = join(place, 'allowed/it')
    writeFileSync(path, 'old')
    const asked: string[] = []
    const what = toRun({ name: 'write', path, ...as }, async (each) => {
      asked.push(each)
      return refusal
    })
    const temporary = join(place, 'allowed', `.sahara-agent-${what.command.id}`)
    writeFileSync(temporary, 'new')
    chmodSync(temporary, 0o666)
    const { dev: device, ino: inode } = statSync(temporary)
    const staged = { temporary, target: path, device, inode, size: 3, sha256: 'x' }
    writeFileSync(join(what.directory, 'staged.json'), JSON.stringify(staged))
    const resumption = await operations.resume(what)
    if (resumption.kind === 'never-begun') throw new Error('it was begun')
    expect(await resumption.running.ended).toMatchObject({ state: 'refused', rule: 'secrets' })
    expect([asked, readFileSync(path, 'utf8')]).toEqual([[path], 'old'])
  })

  test.skipIf(!isRoot)('is not deceived by the names of another mount namespace', async () => {
    await using other = await openNamespace(join(place, 'secret'), join(place, 'allowed'))
    const path = `/proc/${other.pid}/root${place}/allowed/it`
    const asked: string[] = []
    const judge = async (each: string) => {
      asked.push(each)
      return null
    }
    const { result, output } = await run({ name: 'read', path, ...as }, judge)
    expect([result.state, output, asked]).toEqual(['failed', [], []])
    expect((await run({ name: 'write', path, ...as }, judge)).result.state).toBe('failed')
    expect([readdirSync(join(place, 'allowed')), asked]).toEqual([[], []])
    // The same, with a link that gives the lie a name in our own namespace.
    rmSync(join(place, 'allowed'), { recursive: true })
    symlinkSync(`/proc/${other.pid}/root${place}/allowed`, join(place, 'allowed'))
    const byLink = join(place, 'allowed/it')
    for (const name of ['read', 'write']) {
      expect((await run({ name, path: byLink, ...as }, judge)).result.state).toBe('failed')
    }
    expect(readFileSync(join(place, 'secret/it'), 'utf8')).toBe('secret')
  })

  test('lets what it allows be read and written', async () => {
    const path = join(place, 'allowed/it')
    expect((await run({ name: 'write', path, ...as }, async () => null)).result.state).toBe(
      'succeeded',
    )
    expect(readFileSync(path, 'utf8')).toBe('new')
    expect((await run({ name: 'read', path, ...as }, async () => null)).result).toMatchObject({
      state: 'succeeded',
      outputBytes: 3,
    })
  })
})
