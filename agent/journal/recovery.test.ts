import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Command } from '../../protocol/messages/command.ts'
import { Result } from '../../protocol/messages/replies.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { JournalUnusableError } from '../errors.ts'
import { type Journal, openJournal } from './journal.ts'

/** A journal as an agent leaves it that is killed in the middle: the database, its log, and what had been flushed when. */
interface Crashed {
  database: Buffer
  /** The write-ahead log after each step, without the room behind it; each one begins with the one before. */
  logs: Buffer[]
  /** What the log has taken of the disk, and does not use. */
  roomBytes: number
  /** What the journal owed after each step. */
  owed: string[]
}

let directory = ''
let crashed: Crashed
let reopened = 0
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'journal-recovery-'))
  crashed = await crash()
})
afterAll(async () => rm(directory, { recursive: true, force: true }))

describe('a journal whose write-ahead log was cut off by a crash', () => {
  test('still has every transaction whose flush was acknowledged, and nothing in part', async () => {
    const longest = crashed.logs.at(-1) ?? Buffer.alloc(0)
    await fc.assert(
      fc.asyncProperty(fc.nat(longest.length), fc.boolean(), async (length, hasRoom) => {
        const complete = crashed.logs.findLastIndex((log) => log.length <= length)
        const left = longest.subarray(0, length)
        const log = hasRoom ? Buffer.concat([left, Buffer.alloc(crashed.roomBytes)]) : left
        const owed = await reopen(crashed.database, log)
        expect(crashed.owed.slice(Math.max(0, complete), complete + 2)).toContain(owed)
        // Once open it goes on: no crash loop.
        expect(await reopen(crashed.database, log)).toBe(owed)
      }),
      { numRuns: 60, examples: crashed.logs.map((log): [number, boolean] => [log.length, true]) },
    )
  }, 30_000)

  test('takes nothing for true behind a byte that was not flushed whole', async () => {
    const longest = crashed.logs.at(-1) ?? Buffer.alloc(0)
    await fc.assert(
      fc.asyncProperty(
        fc.nat(longest.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, mask) => {
          const torn = Buffer.from(longest)
          torn[at] = (torn[at] ?? 0) ^ mask
          const intact = crashed.logs.findLastIndex((log) => log.length <= at)
          const owed = await reopenOrRefuse(crashed.database, torn)
          if (owed === undefined) return
          // The first 32 bytes are the log's header: without it, the log is nobody's.
          expect(crashed.owed.slice(at < 32 ? 0 : Math.max(0, intact))).toContain(owed)
        },
      ),
      { numRuns: 60 },
    )
  }, 30_000)
})

describe('a journal that was cut off as no crash does it, but a broken disk', () => {
  test('is refused with an error that says what to do, or has lost nothing', async () => {
    const whole = await checkpointed()
    const last = crashed.owed.at(-1)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: whole.length - 1 }), async (length) => {
        const owed = await reopenOrRefuse(whole.subarray(0, length), undefined)
        if (owed !== undefined) expect(owed).toBe(last)
      }),
      { numRuns: 60 },
    )
  }, 30_000)
})

/** Works with a journal, and copies its files after each flush, as they would be found after a power cut. */
async function crash(): Promise<Crashed> {
  const path = join(directory, 'crashed.db')
  const logs: Buffer[] = []
  const owed: string[] = []
  await using journal = open(path)
  const note = async () => {
    logs.push(withoutRoom(await readFile(`${path}-wal`)))
    owed.push(describeOwed(journal))
  }
  await journal.take([])
  await note()
  for (const step of [1, 2, 3, 4]) {
    const commands = [aCommand(step * 10), aCommand(step * 10 + 1)]
    await journal.take(
      commands.map((command) => ({ command, messageId: 'm', entersAs: { state: 'taken' } })),
    )
    await note()
    const [first, second] = commands
    if (!first || !second) throw new Error('no command')
    await journal.markBegun(first.id)
    await note()
    await journal.noteContent(second.id, [[0, step]])
    await note()
    await journal.markEnded(first.id, succeeded)
    await note()
    if (step % 2 === 0) await journal.markSent(first.id)
    await note()
  }
  const database = await readFile(path)
  const { size } = await stat(`${path}-wal`)
  return { database, logs, owed, roomBytes: size - (logs.at(-1)?.length ?? 0) }
}

/** Up to the end of the last frame: pages of 4096 bytes behind 24, after a header of 32. */
function withoutRoom(log: Buffer): Buffer {
  const last = log.findLastIndex((byte) => byte !== 0)
  return log.subarray(0, 32 + Math.ceil((last + 1 - 32) / 4120) * 4120)
}

/** The same journal after it was closed: all in one file. */
async function checkpointed(): Promise<Buffer> {
  const path = join(directory, 'closed.db')
  await copyFile(join(directory, 'crashed.db'), path)
  await using journal = open(path)
  await journal.take([])
  return await readFile(path)
}

async function reopen(database: Buffer, log: Buffer | undefined): Promise<string> {
  reopened += 1
  const path = join(directory, `again-${reopened}.db`)
  await writeFile(path, database)
  if (log) await writeFile(`${path}-wal`, log)
  await using journal = open(path)
  const owed = describeOwed(journal)
  await journal.take([{ command: aCommand(999), messageId: 'm', entersAs: { state: 'taken' } }])
  return owed
}

/** `undefined`: refused, with the one error that an agent ends with. */
async function reopenOrRefuse(
  database: Buffer,
  log: Buffer | undefined,
): Promise<string | undefined> {
  try {
    return await reopen(database, log)
  } catch (error) {
    expect(error).toBeInstanceOf(JournalUnusableError)
    expect(String(error)).toMatch(/restore|backup|enrol/)
    return undefined
  }
}

function open(path: string): Journal {
  return openJournal(path, { bootId: 'boot-1', limitBytes: 2 ** 24 }, realWorld())
}

function describeOwed(journal: Journal): string {
  const owed = [...journal.owed()].map(
    ({ command, state, content }) => `${command.id.slice(-3)} ${state} ${JSON.stringify(content)}`,
  )
  return owed.join(', ')
}

const succeeded = Result.parse({ state: 'succeeded', endedAt: '2030-01-01T00:00:01.000Z' })

function aCommand(number: number): Command {
  const deadline = '2030-01-01T01:00:00.000Z'
  return Command.parse({
    v: 1,
    id: `01890000-0000-7000-8000-${String(number).padStart(12, '0')}`,
    cluster: '11111111-1111-4111-8111-111111111111',
    instance: '22222222-2222-4222-8222-222222222222',
    issuedAt: '2030-01-01T00:00:00.000Z',
    startBy: deadline,
    deadline,
    timeoutSeconds: 10,
    replyKey: Buffer.alloc(32, 7).toString('base64url'),
    operation: { name: 'ping', filler: 'x'.repeat(number * 10) },
  })
}
