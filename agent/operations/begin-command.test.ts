import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Command } from '../../protocol/messages/command.ts'
import type { Result } from '../../protocol/messages/replies.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { collect, sha256, textOf } from '../runner/fixtures/runner-bench.ts'
import { createOperations, type Operations } from './begin-command.ts'
import type { CommandToRun } from './operation.ts'

const isRoot = process.geteuid?.() === 0

let state: string
let operations: Operations
/** Where the files of a test lie. */
let place: string
beforeAll(() => {
  state = mkdtempSync(join(tmpdir(), 'sahara-operations-'))
  operations = createOperations(
    { stateDirectory: state, spoolLimitBytes: 1024 * 1024, runnerIdleMs: 300 },
    realWorld(),
  )
})
afterAll(async () => {
  await operations[Symbol.asyncDispose]()
  rmSync(state, { recursive: true, force: true })
})
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'sahara-files-'))
})
afterEach(() => {
  rmSync(place, { recursive: true, force: true })
})

function toRun(
  operation: Record<string, unknown> & { name: string },
  content?: string | Uint8Array,
  over: Record<string, unknown> = {},
): CommandToRun {
  const id = randomUUID()
  const directory = join(state, 'commands', id)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const contentPath = content === undefined ? null : join(directory, 'content')
  if (contentPath !== null) writeFileSync(contentPath, content ?? '', { mode: 0o600 })
  const soon = new Date(Date.now() + 60_000).toISOString()
  const command = Command.parse({
    v: 1,
    id,
    cluster: randomUUID(),
    instance: randomUUID(),
    issuedAt: soon,
    startBy: soon,
    deadline: soon,
    timeoutSeconds: 30,
    graceSeconds: 1,
    replyKey: Buffer.alloc(32).toString('base64url'),
    operation,
    ...over,
  })
  return { command, directory, contentPath, deadlineMs: 60_000 }
}

async function resultOf(what: CommandToRun): Promise<Result> {
  return (await operations.begin(what)).ended
}

async function write(path: string, content: string | undefined, fields: object = {}) {
  return resultOf(toRun({ name: 'write', path, ...fields }, content))
}

async function read(path: string, fields: object = {}) {
  const running = await operations.begin(toRun({ name: 'read', path, ...fields }))
  return { text: await textOf(running), result: await running.ended }
}

describe('an operation', () => {
  test.for([
    [{ name: 'dance' }, 'refused', 'unknown-operation'],
    [{ name: 'http', url: 'ftp://localhost/' }, 'refused', 'operation-malformed'],
    [{ name: 'exec', argv: [] }, 'refused', 'operation-malformed'],
    [{ name: 'write' }, 'refused', 'operation-malformed'],
    [{ name: 'exec' }, 'failed', 'operation-malformed'],
    [{ name: 'exec', argv: ['true'], script: 'true' }, 'failed', 'operation-malformed'],
    [{ name: 'exec', argv: ['true'], contentIs: 'stdin' }, 'failed', 'operation-malformed'],
  ] as const)('that is not one ends at once: %j', async ([operation, endState, code]) => {
    const result = await resultOf(toRun(structuredClone(operation)))
    expect(result).toMatchObject({ state: endState, reason: { code } })
  })
})

describe('exec', () => {
  test('runs the content as a script, and feeds it as standard input', async () => {
    const script = await operations.begin(
      toRun({ name: 'exec', contentIs: 'script' }, 'echo a script'),
    )
    expect(await textOf(script)).toBe('a script\n')
    const input = await operations.begin(
      toRun({ name: 'exec', argv: ['cat'], contentIs: 'stdin' }, 'some input'),
    )
    expect(await textOf(input)).toBe('some input')
  })

  test('can be begun anew after it was interrupted', async () => {
    const what = toRun({ name: 'exec', argv: ['sh', '-c', `echo x >> ${place}/count; echo ran`] })
    await resultOf(what)
    const again = await operations.beginAgain(what)
    expect(await textOf(again)).toBe('ran\n')
    expect(readFileSync(join(place, 'count'), 'utf8')).toBe('x\nx\n')
  })
})

describe('write', () => {
  test('makes a file with mode 0644, and answers size and digest', async () => {
    const result = await write(`${place}/new`, 'hello')
    expect(result).toMatchObject({
      state: 'succeeded',
      answer: { size: 5, sha256: sha256('hello') },
    })
    expect(readFileSync(`${place}/new`, 'utf8')).toBe('hello')
    expect(statSync(`${place}/new`).mode & 0o7777).toBe(0o644)
    expect(readdirSync(place)).toEqual(['new'])
  })

  test.for([
    ['replace', 'new'],
    ['append', 'oldnew'],
    ['prepend', 'newold'],
  ] as const)('%s gives %s', async ([placement, expected]) => {
    writeFileSync(`${place}/file`, 'old')
    const result = await write(`${place}/file`, 'new', { placement })
    expect(result.answer).toEqual({ size: expected.length, sha256: sha256(expected) })
    expect(readFileSync(`${place}/file`, 'utf8')).toBe(expected)
  })

  test('without content makes an empty file', async () => {
    await write(`${place}/empty`, undefined)
    expect(readFileSync(`${place}/empty`, 'utf8')).toBe('')
  })

  test('keeps the mode and the owner that the file has, or sets others', async () => {
    writeFileSync(`${place}/kept`, 'old')
    if (isRoot) chownSync(`${place}/kept`, 12, 34)
    chmodSync(`${place}/kept`, 0o4711)
    await write(`${place}/kept`, 'new')
    const kept = statSync(`${place}/kept`)
    expect(kept.mode & 0o7777).toBe(0o4711)
    if (isRoot) expect([kept.uid, kept.gid]).toEqual([12, 34])
    await write(`${place}/kept`, 'new', { mode: '600', ...(isRoot ? { owner: 'nobody:7' } : {}) })
    const set = statSync(`${place}/kept`)
    expect(set.mode & 0o7777).toBe(0o600)
    if (isRoot) expect([set.uid, set.gid]).toEqual([65534, 7])
  })

  test('follows a symbolic link, which stays one, also when its target is still to be made', async () => {
    mkdirSync(`${place}/real`)
    symlinkSync('real/file', `${place}/link`)
    await write(`${place}/link`, 'one')
    await write(`${place}/link`, 'two', { placement: 'append' })
    expect(readlinkSync(`${place}/link`)).toBe('real/file')
    expect(readFileSync(`${place}/real/file`, 'utf8')).toBe('onetwo')
  })

  test.for([
    ['a directory', '', {}, 'is-directory'],
    ['a directory that is missing', '/missing/file', {}, 'no-such-directory'],
    ['a file that exists, when it must not', '/there', { placement: 'create' }, 'file-exists'],
    [
      'a dangling link, when it must not exist',
      '/dangling',
      { placement: 'create' },
      'file-exists',
    ],
    ['a FIFO', '/fifo', {}, 'not-a-regular-file'],
    ['a loop of links', '/loop', {}, 'too-many-links'],
    ['a user that is unknown', '/x', { owner: 'no-such-person' }, 'no-such-user'],
    ['a group that is unknown', '/x', { owner: ':no-such-group' }, 'no-such-group'],
  ] as const)('fails for %s, and leaves nothing behind', async ([, path, fields, code]) => {
    writeFileSync(`${place}/there`, 'old')
    symlinkSync('nowhere', `${place}/dangling`)
    symlinkSync('loop', `${place}/loop`)
    execFileSync('/usr/bin/mkfifo', [`${place}/fifo`])
    const before = readdirSync(place)
    const result = await write(`${place}${path}`, 'new', fields)
    expect(result).toMatchObject({ state: 'failed', reason: { code } })
    expect(readdirSync(place)).toEqual(before)
    expect(readFileSync(`${place}/there`, 'utf8')).toBe('old')
  })

  test.skipIf(!isRoot)('touches nothing that others have put into a sticky folder', async () => {
    mkdirSync(`${place}/open`)
    chmodSync(`${place}/open`, 0o1777)
    writeFileSync(`${place}/precious`, 'old')
    mkdirSync(`${place}/folder`)
    symlinkSync('../precious', `${place}/open/link`)
    symlinkSync('../folder', `${place}/open/folder`)
    writeFileSync(`${place}/open/file`, 'old')
    for (const name of ['link', 'folder', 'file']) {
      lchownSync(`${place}/open/${name}`, 65_534, 65_534)
    }
    for (const name of ['link', 'folder/new', 'file']) {
      for (const placement of ['replace', 'append']) {
        expect(await write(`${place}/open/${name}`, 'new', { placement })).toMatchObject({
          state: 'failed',
          reason: { code: 'foreign-in-sticky-folder' },
        })
      }
    }
    const created = await write(`${place}/open/folder/new`, 'new', { placement: 'create' })
    expect(created.state).toBe('failed')
    expect(readFileSync(`${place}/precious`, 'utf8')).toBe('old')
    expect(readdirSync(`${place}/open`).toSorted()).toEqual(['file', 'folder', 'link'])
    expect(readdirSync(`${place}/folder`)).toEqual([])
    // Of the folder's owner, or our own, it is nobody's trap.
    lchownSync(`${place}/open/link`, 0, 0)
    expect((await write(`${place}/open/link`, 'new')).state).toBe('succeeded')
    chownSync(`${place}/open`, 65_534, 65_534)
    expect((await write(`${place}/open/file`, 'new')).state).toBe('succeeded')
  })

  describe('that a crash cut short', () => {
    test('after the file took its place does not append a second time', async () => {
      writeFileSync(`${place}/log`, 'old')
      const what = toRun({ name: 'write', path: `${place}/log`, placement: 'append' }, 'new')
      const first = await resultOf(what)
      const resumption = await operations.resume(what)
      if (resumption.kind === 'never-begun') throw new Error('it was begun')
      expect((await resumption.running.ended).answer).toEqual(first.answer)
      expect(readFileSync(`${place}/log`, 'utf8')).toBe('oldnew')
    })

    test('before the file took its place puts it there', async () => {
      writeFileSync(`${place}/log`, 'old')
      const what = toRun({ name: 'write', path: `${place}/log`, placement: 'append' }, 'new')
      const temporary = join(place, `.sahara-agent-${what.command.id}`)
      writeFileSync(temporary, 'oldnew')
      const { dev: device, ino: inode } = lstatSync(temporary)
      const staged = { temporary, target: `${place}/log`, device, inode, size: 6 }
      const text = JSON.stringify({ ...staged, sha256: sha256('oldnew') })
      writeFileSync(join(what.directory, 'staged.json'), text)
      const resumption = await operations.resume(what)
      if (resumption.kind === 'never-begun') throw new Error('it was begun')
      expect(await resumption.running.ended).toMatchObject({ state: 'succeeded' })
      expect(readFileSync(`${place}/log`, 'utf8')).toBe('oldnew')
      expect(readdirSync(place)).toEqual(['log'])
    })

    test('while the file was being made begins again', async () => {
      const what = toRun({ name: 'write', path: `${place}/new` }, 'whole')
      writeFileSync(join(place, `.sahara-agent-${what.command.id}`), 'who')
      const resumption = await operations.resume(what)
      if (resumption.kind === 'never-begun') throw new Error('it was begun')
      await resumption.running.ended
      expect(readFileSync(`${place}/new`, 'utf8')).toBe('whole')
      expect(readdirSync(place)).toEqual(['new'])
    })
  })
})

describe('read', () => {
  test('sends a file on the stream content, with size and digest', async () => {
    writeFileSync(`${place}/file`, 'some bytes')
    const running = await operations.begin(toRun({ name: 'read', path: `${place}/file` }))
    const chunks = await collect(running)
    expect(chunks.map((chunk) => chunk.stream)).toEqual(['content'])
    expect(await running.ended).toMatchObject({
      state: 'succeeded',
      outputBytes: 10,
      streams: { content: { size: 10, sha256: sha256('some bytes'), droppedBytes: 0 } },
      answer: { size: 10, sha256: sha256('some bytes') },
    })
  })

  test.for([
    [{ offset: 5 }, 'bytes'],
    [{ offset: 5, limitBytes: 2 }, 'by'],
    [{ limitBytes: 4 }, 'some'],
    [{ limitBytes: 0 }, ''],
    [{ offset: 100 }, ''],
  ] as const)('sends the range %j', async ([range, expected]) => {
    writeFileSync(`${place}/file`, 'some bytes')
    const { text, result } = await read(`${place}/file`, range)
    expect(text).toBe(expected)
    expect(result.answer).toEqual({ size: 10, sha256: sha256(expected) })
  })

  test('reads what claims to be empty, as files in /proc do', async () => {
    expect((await read('/proc/version')).text).toMatch(/^Linux/)
  })

  test('of a large file waits for what was sent, and takes up where it was after a restart', async () => {
    const bytes = Buffer.alloc(5 * 1024 * 1024, 'abcdefg')
    writeFileSync(`${place}/large`, bytes)
    const what = toRun({ name: 'read', path: `${place}/large` })
    const running = await operations.begin(what)
    const received: Uint8Array[] = []
    let end = 0
    for await (const chunk of running.output(0, new AbortController().signal)) {
      received.push(chunk.bytes)
      end += chunk.bytes.length
      await running.discardOutput(end)
      if (end > 2 * 1024 * 1024) break
    }
    await running.cancel(0)
    await running.ended
    const resumption = await operations.resume(what)
    if (resumption.kind === 'never-begun') throw new Error('it was begun')
    for await (const chunk of resumption.running.output(end, new AbortController().signal)) {
      expect(chunk.offset).toBe(end)
      received.push(chunk.bytes)
      end += chunk.bytes.length
      await resumption.running.discardOutput(end)
    }
    expect((await resumption.running.ended).answer).toEqual({
      size: bytes.length,
      sha256: sha256(Buffer.concat(received)),
    })
    expect(Buffer.concat(received).equals(bytes)).toBe(true)
  })

  test('that nobody fetches ends at its timeout', async () => {
    writeFileSync(`${place}/large`, Buffer.alloc(5 * 1024 * 1024))
    const what = toRun({ name: 'read', path: `${place}/large` }, undefined, { timeoutSeconds: 0.2 })
    expect(await resultOf(what)).toMatchObject({ state: 'timed-out', reason: { code: 'timeout' } })
  })

  test.for([
    ['/', 'is-directory'],
    ['/no/such/file', 'no-such-file'],
    ['/dev/zero', 'not-a-regular-file'],
    ['relative', 'path-not-absolute'],
    ['/etc/passwd/x', 'no-such-directory'],
  ] as const)('fails for %s: %s', async ([path, code]) => {
    expect((await read(path)).result).toMatchObject({ state: 'failed', reason: { code } })
  })
})

// Only root can become somebody else.
describe.skipIf(!isRoot)('as another user', () => {
  beforeEach(() => {
    chmodSync(place, 0o755)
    mkdirSync(`${place}/own`)
    chownSync(`${place}/own`, 65534, 65534)
    writeFileSync(`${place}/secret`, 'root only', { mode: 0o600 })
  })

  test('a file is written with that user’s rights, and belongs to that user', async () => {
    const path = `${place}/own/file`
    const result = await write(path, 'content', { user: 'nobody', mode: '640' })
    expect(result).toMatchObject({ state: 'succeeded', answer: { size: 7 } })
    expect(statSync(path)).toMatchObject({ uid: 65534, gid: 65534 })
    expect(readFileSync(path, 'utf8')).toBe('content')
    await write(path, undefined, { user: 'nobody', placement: 'append' })
    expect(readFileSync(path, 'utf8')).toBe('content')
    expect(readdirSync(`${place}/own`)).toEqual(['file'])
  })

  test('what only root may write or read is out of reach, also through a link of that user', async () => {
    symlinkSync(`${place}/secret`, `${place}/own/link`)
    const code = { state: 'failed', reason: { code: 'permission-denied' } }
    expect(await write(`${place}/own/link`, 'x', { user: 'nobody' })).toMatchObject(code)
    expect(await write(`${place}/file`, 'x', { user: 'nobody' })).toMatchObject(code)
    expect((await read(`${place}/own/link`, { user: 'nobody' })).result).toMatchObject(code)
    expect(readFileSync(`${place}/secret`, 'utf8')).toBe('root only')
    expect(existsSync(`${place}/file`)).toBe(false)
  })

  test('a file cannot be given away', async () => {
    const result = await write(`${place}/own/file`, 'x', { user: 'nobody', owner: 'root' })
    expect(result).toMatchObject({ reason: { code: 'owner-not-permitted' } })
  })

  test('a file is read', async () => {
    const bytes = Buffer.alloc(700 * 1024, 'xyz')
    writeFileSync(`${place}/own/file`, bytes)
    const { text, result } = await read(`${place}/own/file`, { user: 'nobody' })
    expect(text === bytes.toString()).toBe(true)
    expect(result.answer).toEqual({ size: bytes.length, sha256: sha256(bytes) })
  })

  test('an append is taken up again after a crash, and done once', async () => {
    const path = `${place}/own/log`
    const fields = { name: 'write', path, placement: 'append', user: 'nobody' }
    const what = toRun(fields, 'line\n')
    const first = await resultOf(what)
    const resumption = await operations.resume(what)
    if (resumption.kind === 'never-begun') throw new Error('it was begun')
    expect((await resumption.running.ended).answer).toEqual(first.answer)
    expect(readFileSync(path, 'utf8')).toBe('line\n')
  })

  test('that does not exist, nothing is done', async () => {
    const result = await write(`${place}/own/file`, 'x', { user: 'no-such-person' })
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'no-such-user' } })
  })
})
