import { createHash } from 'node:crypto'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { AuditUnavailableError } from '../errors.ts'
import { type AuditHead, parseLine } from './audit-line.ts'
import { type AuditLogOptions, openAuditLog } from './audit-log.ts'
import { readAudit } from './read-audit.ts'
import { listSegments } from './segments.ts'
import { verifyAudit } from './verify-audit.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sahara-audit-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
  rmSync(`${directory}.away`, { recursive: true, force: true })
  alarms.length = 0
})

const alarms: string[] = []
const open = (options: Partial<AuditLogOptions> = {}) =>
  openAuditLog(
    {
      directory,
      fileBytes: 64 * 1024,
      files: 4,
      onTampered: (what) => alarms.push(what),
      ...options,
    },
    fakeWorld(),
  )
const check = async (expected?: AuditHead) => verifyAudit(readAudit(directory), expected)

/** Writes so many lines, as an agent from start to stop. */
async function writeLines(
  count: number,
  options: Partial<AuditLogOptions> = {},
): Promise<AuditHead> {
  await using log = open(options)
  for (let index = 0; index < count; index += 1)
    log.append({ event: 'begun', command: `c${index}` })
  return await log.flushedHead()
}
const newest = () => listSegments(directory).at(-1)?.path ?? ''
const events = async () => {
  const found: (string | undefined)[] = []
  for await (const { text } of readAudit(directory)) found.push(parseLine(text)?.event)
  return found
}

describe('the audit log', () => {
  test('holds in each line the digest of the line before it', async () => {
    await writeLines(3)
    const lines = readFileSync(newest(), 'utf8').trimEnd().split('\n')
    const digests = lines.map((line) => createHash('sha256').update(line).digest('hex'))
    expect(lines.map((line) => JSON.parse(line).previous)).toEqual([
      '0'.repeat(64),
      ...digests.slice(0, 2),
    ])
    expect(await check()).toMatchObject({
      lines: 3,
      fault: null,
      head: { sequence: 3, hash: digests[2] },
    })
  })

  test('goes on where it was, and is for its owner only', async () => {
    await writeLines(2)
    await writeLines(2)
    expect(await check()).toMatchObject({ lines: 4, fault: null })
    expect(statSync(newest()).mode & 0o777).toBe(0o600)
  })

  test('is bounded, and says what it has removed', async () => {
    const head = await writeLines(400, { fileBytes: 4096, files: 3 })
    expect(readdirSync(directory).length).toBeLessThanOrEqual(3)
    for (const { path } of listSegments(directory))
      expect(statSync(path).size).toBeLessThanOrEqual(4096)
    const found = await check(head)
    expect(found.fault).toBeNull()
    expect(found.firstSequence).toBeGreaterThan(1)
    expect(found.notable['removed']).toBeGreaterThan(0)
  })

  test('misses files that were removed by others', async () => {
    await writeLines(200, { fileBytes: 4096, files: 100 })
    rmSync(listSegments(directory)[0]?.path ?? '')
    expect((await check()).fault?.why).toContain('no line says that they were removed')
  })

  test.for([
    ['changed', (text: string) => text.replace('"c3"', '"c9"'), 5],
    ['left out', (text: string) => text.split('\n').toSpliced(3, 1).join('\n'), 4],
    [
      'moved',
      (text: string) =>
        text
          .split('\n')
          .toSpliced(3, 2, ...text.split('\n').slice(3, 5).toReversed())
          .join('\n'),
      4,
    ],
    [
      'put in',
      (text: string) =>
        text
          .split('\n')
          .toSpliced(3, 0, text.split('\n')[0] ?? '')
          .join('\n'),
      4,
    ],
    ['garbled', (text: string) => text.replace('{"seq":4', '{"seq:4'), 4],
  ] as const)('shows the first place where a line was %s', async ([, tamper, lineNumber]) => {
    await writeLines(10)
    writeFileSync(newest(), tamper(readFileSync(newest(), 'utf8')))
    expect((await check()).fault).toMatchObject({ lineNumber, file: newest() })
  })

  test('that was cut short is known by a head that was seen before', async () => {
    const head = await writeLines(10)
    const text = readFileSync(newest(), 'utf8')
    writeFileSync(newest(), `${text.split('\n').slice(0, 6).join('\n')}\n`)
    expect((await check()).fault).toBeNull()
    expect((await check(head)).fault?.why).toContain('cut short')
    await writeLines(10)
    expect((await check(head)).fault?.why).toContain('not the one that was seen before')
  })

  test('heals the end that a crash has left, wherever it cut', async () => {
    await writeLines(4)
    const whole = readFileSync(newest())
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length }), async (length) => {
        for (const { path } of listSegments(directory)) rmSync(path)
        const path = join(directory, '0000000000000001.jsonl')
        writeFileSync(path, whole)
        truncateSync(path, length)
        await writeLines(1)
        const found = await check()
        expect(found.fault).toBeNull()
        const isTorn = length > 0 && whole[length - 1] !== 0x0a
        expect(found.notable['healed'] ?? 0).toBe(isTorn ? 1 : 0)
      }),
    )
  })

  test('goes on after garbage, and shows it', async () => {
    await writeLines(3)
    appendFileSync(newest(), 'garbage\n')
    await writeLines(1)
    expect(await events()).toEqual(['begun', 'begun', 'begun', undefined, 'damaged', 'begun'])
    expect((await check()).fault).toMatchObject({ lineNumber: 4 })
  })

  test('notices that its file is removed or changed under it', async () => {
    await using log = open()
    log.append({ event: 'begun' })
    await log.flushedHead()
    rmSync(newest())
    await log.flushedHead()
    log.append({ event: 'begun' })
    appendFileSync(newest(), 'x')
    await log.flushedHead()
    expect(alarms).toEqual(['its newest file was removed', 'its newest file was changed'])
  })

  test('writes the line that comes next where it is found, when its file was removed', async () => {
    await using log = open()
    log.append({ event: 'begun' })
    rmSync(newest())
    log.append({ event: 'begun', command: 'c2' })
    expect(readFileSync(newest(), 'utf8')).toContain('c2')
    expect(alarms).toEqual(['its newest file was removed'])
    expect((await check()).fault?.why).toContain('the lines up to 1 are gone')
  })

  test('takes no line while its directory is removed, and goes on in a new one', async () => {
    await using log = open()
    log.append({ event: 'begun' })
    rmSync(directory, { recursive: true })
    for (const command of ['c2', 'c3'])
      expect(() => log.append({ event: 'received', command })).toThrow(AuditUnavailableError)
    log.note({ event: 'refused', command: 'c3' })
    expect(alarms).toEqual(['its newest file was removed'])
    await expect(log.flushedHead()).rejects.toThrow('ENOENT')
    expect(alarms).toHaveLength(2)

    mkdirSync(directory)
    log.append({ event: 'received', command: 'c4' })
    expect(await log.flushedHead()).toMatchObject({ sequence: 3 })
    expect(await events()).toEqual(['gap', 'received'])
    expect((await check()).fault?.why).toContain('the lines up to 1 are gone')
    expect(alarms).toHaveLength(2)
  })

  test('takes no line while its directory is moved away, and goes on when it is back', async () => {
    await using log = open()
    log.append({ event: 'begun' })
    renameSync(directory, `${directory}.away`)
    expect(() => log.append({ event: 'received' })).toThrow(AuditUnavailableError)
    log.note({ event: 'refused' })
    renameSync(`${directory}.away`, directory)
    log.append({ event: 'received' })
    expect(alarms).toEqual(['its newest file was removed'])
    expect(await check(await log.flushedHead())).toMatchObject({ fault: null, notable: { gap: 1 } })
    expect(await events()).toEqual(['begun', 'gap', 'received'])
  })

  test('goes on behind a copy that was put in its place, and says so', async () => {
    await using log = open()
    log.append({ event: 'begun' })
    cpSync(directory, `${directory}.away`, { recursive: true })
    rmSync(directory, { recursive: true })
    renameSync(`${directory}.away`, directory)
    log.append({ event: 'begun', command: 'c2' })
    expect(alarms).toEqual(['its newest file was replaced'])
    expect(await check(await log.flushedHead())).toMatchObject({ lines: 2, fault: null })
  })

  test('of which nothing is left does not hold', async () => {
    expect((await check()).fault?.why).toBe('there is no line of the log')
    writeFileSync(join(directory, '0000000000000001.jsonl'), '')
    expect((await check()).fault?.why).toBe('there is no line of the log')
  })

  test('says when it cannot be written, and later how much is missing', async () => {
    await using log = open({ fileBytes: 1024 })
    const until = () => {
      for (let index = 0; index < 20; index += 1) log.append({ event: 'begun' })
    }
    rmSync(directory, { recursive: true })
    expect(until).toThrow(AuditUnavailableError)
    log.note({ event: 'ended' })
    log.note({ event: 'ended' })
    mkdirSync(directory)
    log.append({ event: 'begun' })
    const lines = readFileSync(newest(), 'utf8').trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { event: 'gap', lines: 2 },
      { event: 'begun' },
    ])
  })

  test('keeps a line within its bound, whatever it is to tell', async () => {
    await using log = open()
    log.append({ event: 'received', command: 'c', path: '\0'.repeat(100_000) })
    expect(statSync(newest()).size).toBeLessThan(1024)
    expect(parseLine(readFileSync(newest(), 'utf8'))).toMatchObject({
      command: 'c',
      shortened: true,
    })
  })
})
