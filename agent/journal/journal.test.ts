import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Command, Command as CommandSchema } from '../../protocol/messages/command.ts'
import { type Result, Result as ResultSchema } from '../../protocol/messages/replies.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { JournalUnusableError, JournalWriteError, StateLockedError } from '../errors.ts'
import { type Journal, openJournal } from './journal.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'journal-'))
})
afterEach(async () => rm(directory, { recursive: true, force: true }))

const open = (limitBytes = 2 ** 24): Journal =>
  openJournal(join(directory, 'agent.db'), { bootId: 'boot-1', limitBytes }, realWorld())

let counter = 0
function aCommand(deadline = '2030-01-01T01:00:00.000Z', lane = 'a'): Command {
  counter += 1
  return CommandSchema.parse({
    v: 1,
    id: `01890000-0000-7000-8000-${String(counter).padStart(12, '0')}`,
    cluster: '11111111-1111-4111-8111-111111111111',
    instance: '22222222-2222-4222-8222-222222222222',
    issuedAt: '2030-01-01T00:00:00.000Z',
    startBy: deadline,
    deadline,
    timeoutSeconds: 10,
    lane,
    replyKey: Buffer.alloc(32, 7).toString('base64url'),
    operation: { name: 'ping' },
  })
}
const succeeded: Result = ResultSchema.parse({
  state: 'succeeded',
  endedAt: '2030-01-01T00:00:01.000Z',
})
const taken = { state: 'taken' } as const
const big = () => ({
  command: { ...aCommand(), operation: { name: 'x', filler: 'x'.repeat(20_000) } },
  messageId: 'm',
  entersAs: taken,
})

const logSize = async () => (await stat(join(directory, 'agent.db-wal'))).size

describe('the journal', () => {
  test('is readable for its owner only', async () => {
    await using journal = open()
    await journal.take([])
    for (const file of ['agent.db', 'agent.db-wal']) {
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600)
    }
  })

  test('has taken the room for its next changes before they come: a disk that is full then does not matter', async () => {
    await using journal = open()
    const before = await logSize()
    for (let index = 0; index < 50; index += 1) {
      await journal.take([{ command: aCommand(), messageId: 'm', entersAs: taken }])
    }
    expect(await logSize()).toBe(before)
  })

  test('remembers over a restart what is owed, in the order in which it was taken', async () => {
    const [one, two, three] = [aCommand(), aCommand(), aCommand()]
    {
      await using journal = open()
      await journal.take([
        { command: one, messageId: 'm1', entersAs: taken },
        { command: two, messageId: 'm2', entersAs: { state: 'begun' } },
        { command: three, messageId: 'm3', entersAs: { state: 'ended', result: succeeded } },
      ])
      await journal.noteContent(one.id, [[0, 7]])
      journal.noteOutputSent(two.id, 11)
    }
    await using journal = open()
    await journal.take([])
    expect(journal.owedCount()).toBe(3)
    expect([...journal.owed()]).toEqual([
      {
        command: one,
        state: 'taken',
        bootId: null,
        result: null,
        content: [[0, 7]],
        outputSent: 0,
      },
      expect.objectContaining({ command: two, state: 'begun', bootId: 'boot-1' }),
      expect.objectContaining({ command: three, state: 'ended', result: succeeded }),
    ])
  })

  test('keeps of a sent command what stops its replay, and nothing secret', async () => {
    const command = aCommand()
    await using journal = open()
    await journal.take([{ command, messageId: 'm1', entersAs: taken }])
    await journal.markEnded(command.id, succeeded)
    await journal.markSent(command.id)
    expect(journal.find(command.id)).toEqual({ state: 'sent', messageId: 'm1' })
    expect([...journal.owed()]).toEqual([])
    expect(journal.owedCount()).toBe(0)
  })

  test('keeps the first result of a command', async () => {
    const command = aCommand()
    await using journal = open()
    await journal.take([{ command, messageId: 'm1', entersAs: taken }])
    await journal.markEnded(command.id, succeeded)
    await journal.markEnded(command.id, { ...succeeded, state: 'cancelled' })
    expect([...journal.owed()].at(0)?.result?.state).toBe('succeeded')
  })

  test('owes nothing when it starts over, and still knows each id', async () => {
    const [owed, sent] = [aCommand(), aCommand()]
    await using journal = open()
    for (const command of [owed, sent]) {
      await journal.take([{ command, messageId: 'm', entersAs: taken }])
    }
    await journal.markSent(sent.id)
    await journal.startOver({ hasNewKeys: false })
    expect(journal.owedCount()).toBe(0)
    expect([...journal.owed()]).toEqual([])
    expect([owed, sent].map(({ id }) => journal.find(id)?.state)).toEqual(['sent', 'sent'])
  })

  test('forgets a sent command after its deadline, and knows that it did', async () => {
    const [old, young, owed] = [
      aCommand('2030-01-01T01:00:00.000Z'),
      aCommand('2030-01-01T05:00:00.000Z'),
      aCommand('2030-01-01T00:30:00.000Z'),
    ]
    await using journal = open()
    for (const command of [old, young, owed]) {
      await journal.take([{ command, messageId: 'm', entersAs: taken }])
    }
    await journal.markSent(old.id)
    await journal.markSent(young.id)
    await journal.forget(new Date('2030-01-01T02:00:00Z'), 10)
    expect(journal.find(old.id)).toBeUndefined()
    expect(journal.find(young.id)?.state).toBe('sent')
    expect(journal.find(owed.id)?.state).toBe('taken')
    expect(journal.forgottenUntil()).toEqual(old.deadline)
  })

  test('forgets the oldest when it remembers too many', async () => {
    const commands = [1, 2, 3, 4].map((hour) => aCommand(`2030-01-01T0${hour}:00:00.000Z`))
    await using journal = open()
    for (const command of commands) {
      await journal.take([{ command, messageId: 'm', entersAs: taken }])
      await journal.markSent(command.id)
    }
    await journal.forget(new Date(0), 3)
    expect(commands.map(({ id }) => journal.find(id)?.state)).toEqual([
      undefined,
      'sent',
      'sent',
      'sent',
    ])
    expect(journal.forgottenUntil()).toEqual(new Date('2030-01-01T01:00:00Z'))
  })

  test('takes all or nothing when its disk is full, and goes on when there is room', async () => {
    await using journal = open(128 * 1024)
    const first = big()
    await journal.take([first])
    const many = Array.from({ length: 20 }, big)
    await expect(journal.take(many)).rejects.toThrow(JournalWriteError)
    expect(many.map(({ command }) => journal.find(command.id))).toEqual(many.map(() => undefined))
    expect(journal.owedCount()).toBe(1)
    await journal.markSent(first.command.id)
    const [next] = many
    if (next) await journal.take([next])
    expect(journal.owedCount()).toBe(1)
  })

  test('lets one failing write of a shared commit fail alone', async () => {
    await using journal = open()
    const command = aCommand()
    const outcomes = await Promise.allSettled([
      journal.take([{ command, messageId: 'm1', entersAs: taken }]),
      journal.take([{ command, messageId: 'm2', entersAs: taken }]),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(journal.find(command.id)?.messageId).toBe('m1')
  })

  test('is held by one agent at a time', async () => {
    await using journal = open()
    await journal.take([])
    expect(() => open()).toThrow(StateLockedError)
  })

  test('keeps the clock’s floor over a restart, and lets it fall with the keys', async () => {
    const [noon, one] = [new Date('2030-01-01T12:00:00Z'), new Date('2030-01-01T13:00:00Z')]
    {
      await using journal = open()
      journal.raiseClockFloor(one)
      journal.raiseClockFloor(noon)
      await journal.take([])
    }
    await using journal = open()
    expect(journal.clockFloor()).toEqual(one)
    await journal.startOver({ hasNewKeys: false })
    expect(journal.clockFloor()).toEqual(one)
    await journal.startOver({ hasNewKeys: true })
    expect(journal.clockFloor()).toEqual(new Date(0))
  })

  test('gives each start report numbers of its own', async () => {
    const numbers: number[] = []
    for (const _start of [1, 2, 3]) {
      await using journal = open()
      numbers.push(journal.firstReportSequence)
    }
    expect(numbers).toEqual([0, 1_000_000, 2_000_000])
  })

  test('is refused when it is no journal', async () => {
    const { writeFile } = await import('node:fs/promises')
    await writeFile(join(directory, 'agent.db'), 'this is not a database, it is a text '.repeat(99))
    expect(() => open()).toThrow(JournalUnusableError)
  })
})
