import type { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { Command } from '../../protocol/messages/command.ts'
import { Result } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import { ByteRanges } from '../intake/byte-ranges.ts'
import { groupCommits } from './group-commits.ts'
import { openDatabase } from './open-database.ts'

/**
 * How far a command has come. Each state's way out:
 *
 * | state | meaning | next |
 * | --- | --- | --- |
 * | taken | the agent owes a result; nothing runs yet (it waits for its lane, or for its content) | begun, ended |
 * | begun | it may have taken effect: it is never begun again, but for `idempotent` ones that were interrupted | ended |
 * | ended | its result is decided, and the return queue may not have it yet | sent |
 * | sent | done; its id is remembered against replays until its deadline has safely passed | forgotten |
 */
export type JournalState = 'taken' | 'begun' | 'ended' | 'sent'

/** A command as it enters the journal. */
export interface NewEntry {
  command: Command
  /** The queue's message that brought it. */
  messageId: string
  /** `begun` when it runs at once, `ended` when the answer is known: one flush instead of two. */
  entersAs: { state: 'taken' } | { state: 'begun' } | { state: 'ended'; result: Result }
}

/** A command that was refused without having entered the journal. */
export interface RefusedCommand {
  id: string
  messageId: string
  deadline: Date
}

/** A command whose result the return queue has not got yet, as the journal remembers it after a restart. */
export interface OwedCommand {
  command: Command
  state: 'taken' | 'begun' | 'ended'
  /** The boot in which it was begun. */
  bootId: string | null
  result: Result | null
  content: ByteRanges
  /** Output below this offset has certainly been taken by the return queue. */
  outputSent: number
}

/** The agent's durable record of the commands it has taken responsibility for. All writes resolve when they are on disk. */
export interface Journal extends AsyncDisposable {
  /** @throws {JournalWriteError} none of them was taken; as all writes. */
  take: (entries: readonly NewEntry[]) => Promise<void>
  /** Makes sure that they are never taken: they are remembered as if they were `sent`. Nothing is owed for them. */
  rememberRefused: (refused: readonly RefusedCommand[]) => Promise<void>
  markBegun: (id: string) => Promise<void>
  noteContent: (id: string, content: ByteRanges) => Promise<void>
  markEnded: (id: string, result: Result) => Promise<void>
  /** Need not hurry: should it be lost, the result is sent again. Safe to call twice. */
  markSent: (id: string) => Promise<void>
  /** Goes to disk with the next write, or every few megabytes: should it be lost, output is only sent twice. */
  noteOutputSent: (id: string, offset: number) => void
  find: (id: string) => { state: JournalState; messageId: string | null } | undefined
  owed: () => Generator<OwedCommand>
  owedCount: () => number
  /** No command with a deadline up to here is new for certain: some as old have been forgotten. */
  forgottenUntil: () => Date
  /** It is certainly not earlier than this: some command was issued then. */
  clockFloor: () => Date
  /** Counts at once, and goes to disk with the next write: as early as anything that is taken because of it. */
  raiseClockFloor: (moment: Date) => void
  /** Forgets sent commands whose deadline is before `moment`, and the oldest beyond `limit`. */
  forget: (moment: Date, limit: number) => Promise<void>
  /** The first of a million numbers that no earlier start of this agent has used for a report. */
  firstReportSequence: number
  /** Whether the queue, when it was last asked, did not wait, so that all agents must keep apart by themselves. */
  isQueuePaced: () => boolean
  noteQueuePaced: (isPaced: boolean) => void
  /**
   * Owes nothing any more: the disk was cloned into another instance, or belongs to another cluster now. The ids stay
   * remembered, since the controller may know the agent's keys again: an old command would then open as before. With new keys no old command opens, so the clock's floor falls: it came from another controller.
   */
  startOver: (how: { hasNewKeys: boolean }) => Promise<void>
}

/** So much output may be sent again after a crash, in bytes, though the queue has taken it. */
const unnotedOutputLimit = 4 * 2 ** 20
const sequencesPerStart = 1_000_000

/**
 * Opens the journal, and locks the state directory.
 *
 * @param bootId of this boot: what was begun in another one does not run any more.
 * @throws {StateLockedError | JournalUnusableError}
 */
export function openJournal(
  path: string,
  { bootId, limitBytes }: { bootId: string; limitBytes: number },
  world: Pick<World, 'sleep'>,
): Journal {
  const database = openDatabase(path, { limitBytes })
  const sql = prepareStatements(database)
  const sentOffsets = new Map<string, number>()
  let unnotedBytes = 0
  let clockFloorMs = readFact(sql, 'clock-floor')
  const beforeEach = () => {
    sql.raiseFact.run(clockFloorMs, 'clock-floor', clockFloorMs)
    for (const [id, offset] of sentOffsets) sql.noteOutputSent.run(offset, id)
    sentOffsets.clear()
    unnotedBytes = 0
  }
  const { write, writeSoon, flush } = groupCommits(database, beforeEach, world)
  let owedCount = Number(sql.countOwed.get()?.['count'] ?? 0)
  const firstReportSequence = readFact(sql, 'report-sequence')
  sql.setFact.run(firstReportSequence + sequencesPerStart, 'report-sequence')

  let isQueuePaced = readFact(sql, 'queue-paced') === 1

  return {
    firstReportSequence,
    isQueuePaced: () => isQueuePaced,
    noteQueuePaced: (isPaced) => {
      if (isPaced === isQueuePaced) return
      isQueuePaced = isPaced
      // Only a hint for the next start: nobody waits for it.
      writeSoon(() => sql.setFact.run(isPaced ? 1 : 0, 'queue-paced')).catch(() => undefined)
    },
    take: async (entries) => {
      await write(() => {
        for (const { command, messageId, entersAs } of entries) {
          const result = entersAs.state === 'ended' ? writeResult(entersAs.result) : null
          const boot = entersAs.state === 'begun' ? bootId : null
          const json = JSON.stringify(z.encode(Command, command))
          const deadline = command.deadline.getTime()
          sql.take.run(command.id, entersAs.state, deadline, messageId, boot, json, result)
        }
      })
      owedCount += entries.length
    },
    rememberRefused: async (refused) =>
      write(() => {
        for (const { id, messageId, deadline } of refused) {
          sql.rememberRefused.run(id, deadline.getTime(), messageId)
        }
      }),
    markBegun: async (id) => write(() => sql.markBegun.run(bootId, id)),
    noteContent: async (id, content) =>
      write(() => sql.noteContent.run(JSON.stringify(content), id)),
    markEnded: async (id, result) => write(() => sql.markEnded.run(writeResult(result), id)),
    markSent: async (id) => {
      let changed = 0
      await writeSoon(() => {
        changed = Number(sql.markSent.run(id).changes)
      })
      owedCount -= changed
    },
    noteOutputSent: (id, offset) => {
      unnotedBytes += offset - (sentOffsets.get(id) ?? offset)
      sentOffsets.set(id, offset)
      // A failure shows at the next write that matters.
      if (unnotedBytes >= unnotedOutputLimit) write(() => undefined).catch(() => undefined)
    },
    find: (id) => {
      const row = sql.find.get(id)
      return row && FoundRow.parse(row)
    },
    owed: function* () {
      for (const row of sql.owed.all()) yield OwedRow.parse(sql.read.get(Seq.parse(row).seq))
    },
    owedCount: () => owedCount,
    forgottenUntil: () => new Date(readFact(sql, 'forgotten-until')),
    clockFloor: () => new Date(clockFloorMs),
    raiseClockFloor: (moment) => {
      clockFloorMs = Math.max(clockFloorMs, moment.getTime())
    },
    forget: async (moment, limit) => {
      await write(() => forgetSent(sql, moment.getTime(), limit))
      database.exec('PRAGMA incremental_vacuum(1024)')
    },
    startOver: async ({ hasNewKeys }) => {
      await write(() => {
        sql.markAllSent.run()
        if (hasNewKeys) sql.setFact.run(0, 'clock-floor')
      })
      if (hasNewKeys) clockFloorMs = 0
      owedCount = 0
    },
    [Symbol.asyncDispose]: async () => {
      flush()
      database.close()
    },
  }
}

/**
 * Forgetting an id moves the mark below which a deadline proves nothing. So a command is never taken twice, even if a
 * hostile queue service turns its clock forward, to make us forget, and then back.
 */
function forgetSent(sql: Statements, momentMs: number, limit: number): void {
  const overflow = sql.overflow.get(limit)?.['deadline']
  const boundMs = Math.max(momentMs, typeof overflow === 'number' ? overflow : 0)
  const highest = sql.highestForgotten.get(boundMs)?.['deadline']
  if (typeof highest !== 'number') return
  sql.forget.run(boundMs)
  sql.setFact.run(Math.max(highest, readFact(sql, 'forgotten-until')), 'forgotten-until')
}

type Statements = ReturnType<typeof prepareStatements>

function prepareStatements(database: DatabaseSync) {
  return {
    take: database.prepare(
      'INSERT INTO commands (id, state, deadline, message, boot, command, result) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    rememberRefused: database.prepare(
      "INSERT INTO commands (id, state, deadline, message) VALUES (?, 'sent', ?, ?) ON CONFLICT DO NOTHING",
    ),
    markBegun: database.prepare("UPDATE commands SET state = 'begun', boot = ? WHERE id = ?"),
    noteContent: database.prepare('UPDATE commands SET content = ? WHERE id = ?'),
    markEnded: database.prepare(
      "UPDATE commands SET state = 'ended', result = ? WHERE id = ? AND state IN ('taken', 'begun')",
    ),
    markSent: database.prepare(
      "UPDATE commands SET state = 'sent', command = NULL, result = NULL, content = NULL, boot = NULL WHERE id = ? AND state <> 'sent'",
    ),
    markAllSent: database.prepare(
      "UPDATE commands SET state = 'sent', command = NULL, result = NULL, content = NULL, boot = NULL WHERE state <> 'sent'",
    ),
    noteOutputSent: database.prepare('UPDATE commands SET output_sent = ? WHERE id = ?'),
    find: database.prepare('SELECT state, message FROM commands WHERE id = ?'),
    owed: database.prepare("SELECT seq FROM commands WHERE state <> 'sent' ORDER BY seq"),
    read: database.prepare(
      'SELECT state, boot, command, result, content, output_sent FROM commands WHERE seq = ?',
    ),
    countOwed: database.prepare("SELECT count(*) AS count FROM commands WHERE state <> 'sent'"),
    overflow: database.prepare(
      "SELECT deadline FROM commands WHERE state = 'sent' ORDER BY deadline DESC LIMIT 1 OFFSET ?",
    ),
    highestForgotten: database.prepare(
      "SELECT max(deadline) AS deadline FROM commands WHERE state = 'sent' AND deadline <= ?",
    ),
    forget: database.prepare("DELETE FROM commands WHERE state = 'sent' AND deadline <= ?"),
    fact: database.prepare('SELECT value FROM facts WHERE name = ?'),
    setFact: database.prepare('UPDATE facts SET value = ? WHERE name = ?'),
    raiseFact: database.prepare('UPDATE facts SET value = ? WHERE name = ? AND value < ?'),
  }
}

function readFact(
  sql: Statements,
  name: 'forgotten-until' | 'report-sequence' | 'queue-paced' | 'clock-floor',
): number {
  return FactRow.parse(sql.fact.get(name)).value
}

function writeResult(result: Result): string {
  return JSON.stringify(z.encode(Result, result))
}

const Json = z.string().transform((text): unknown => JSON.parse(text))
const FactRow = z.looseObject({ value: z.number() })
const Seq = z.looseObject({ seq: z.number() })

const FoundRow = z
  .looseObject({
    state: z.enum(['taken', 'begun', 'ended', 'sent']),
    message: z.string().nullable(),
  })
  .transform(({ state, message }) => ({ state, messageId: message }))

const OwedRow = z
  .looseObject({
    state: z.enum(['taken', 'begun', 'ended']),
    boot: z.string().nullable(),
    command: Json.pipe(Command),
    result: Json.pipe(Result).nullable(),
    content: Json.pipe(ByteRanges).nullable(),
    output_sent: z.number(),
  })
  .transform(
    ({ boot, content, output_sent, ...row }): OwedCommand => ({
      ...row,
      bootId: boot,
      content: content ?? [],
      outputSent: output_sent,
    }),
  )
