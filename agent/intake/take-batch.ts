import { statfsSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Command, Operation } from '../../protocol/messages/command.ts'
import type { Key } from '../../protocol/sealing/keys.ts'
import type { ClaimedMessage } from '../../protocol/zaqar/claims.ts'
import type { Limits } from '../config.ts'
import type { Enrolment } from '../enrol/enrolment.ts'
import { AuditUnavailableError, JournalWriteError } from '../errors.ts'
import type { NewEntry } from '../journal/journal.ts'
import { auditUnavailable, noSpace } from '../lanes/begin-in-time.ts'
import { carryOut } from '../lanes/carry-out.ts'
import { type CarryOutParts, endNow, isControl, type Task } from '../lanes/task.ts'
import { describeError } from '../log.ts'
import type { Reporter } from '../report/reporter.ts'
import { judgeCommand, type Verdict } from './judge-command.ts'
import { type Opened, openMessage } from './open-message.ts'
import { storeInputs } from './store-inputs.ts'
import type { UnjournaledRefusals } from './unjournaled-refusals.ts'

/** What taking messages in needs. */
export interface TakeParts extends CarryOutParts {
  enrolment: () => Enrolment
  keys: { cluster: Key; agent: Key }
  limits: Limits
  reporter: Reporter
  /** Says how far a command's content has come. */
  progress: (command: Command, contentBytes: number) => void
  /** Told of each command on its way to its end. */
  onCarriedOut: (ending: Promise<void>) => void
  /** Deletes messages from the command queue; resolves when they are gone. */
  acknowledge: (messageIds: readonly string[]) => Promise<void>
  /** Counts what was dropped, for `status`. */
  onDropped: (reason: string) => void
  refusals: UnjournaledRefusals
}

type OpenedCommand = Extract<Opened, { kind: 'command' }>
interface Judged extends OpenedCommand {
  verdict: Verdict
}

/**
 * Takes a claimed batch in: open, judge, journal all that is taken in one transaction, begin. The order is what keeps a
 * command from being lost or repeated: a message may be acknowledged only after this has resolved.
 *
 * @returns the messages that may be acknowledged.
 */
export async function takeBatch(
  messages: readonly Pick<ClaimedMessage, 'id' | 'body'>[],
  parts: TakeParts,
): Promise<string[]> {
  const opened = await Promise.all(messages.map(async (one) => openMessage(one, parts.keys)))
  const unusable = opened.filter((one) => one.kind === 'unusable')
  for (const { reason, why } of unusable) drop(reason, why, parts)
  const judged = judgeAll(
    opened.filter((one) => one.kind === 'command'),
    parts,
  )
  const taken = await takeCommands(await askPolicy(tellReceived(judged, parts), parts), parts)
  // After the commands: their own first chunks may be in the same claim.
  const stored = await storeInputs(
    opened.filter((one) => one.kind === 'input'),
    parts,
  )
  return [...unusable.map(({ messageId }) => messageId), ...taken, ...stored]
}

function judgeAll(opened: readonly OpenedCommand[], parts: TakeParts): Judged[] {
  const { journal, clock, limits } = parts
  const { cluster, instance } = parts.enrolment()
  for (const { command } of opened) clock.learnIssued(command.issuedAt)
  const inBatch = new Map<string, { state: 'taken'; messageId: string }>()
  return opened.map((one) => {
    const { command, messageId } = one
    const verdict = judgeCommand(command, messageId, {
      cluster,
      instance,
      now: clock.now(),
      forgottenUntil: journal.forgottenUntil(),
      seen: inBatch.get(command.id) ?? journal.find(command.id),
      contentLimitBytes: limits.contentBytes,
    })
    if (verdict.kind !== 'drop') inBatch.set(command.id, { state: 'taken', messageId })
    return { ...one, verdict }
  })
}

/** What the tenant's policy will not have is answered at once, before its content comes. */
async function askPolicy(judged: readonly Judged[], { policy, log }: TakeParts): Promise<Judged[]> {
  return await Promise.all(
    judged.map(async (one) => {
      const { command, verdict } = one
      try {
        const refusal = verdict.kind === 'run' && (await policy.judge(command, verdict.operation))
        return refusal ? { ...one, verdict: { kind: 'answer', ...refusal } } : one
      } catch (error) {
        // It would come back with each claim, and keep all others of it from being taken.
        log.error({ command: command.id, ...describeError(error) }, 'cannot be judged')
        const message = `the policy could not be asked: ${describeError(error).error}`
        const reason = { code: 'policy', message: message.slice(0, 4096) }
        return { ...one, verdict: { kind: 'answer', state: 'refused', reason } }
      }
    }),
  )
}

/** Tells the audit log of commands before anything is done about them; what cannot be told is not done. */
function tellReceived(judged: readonly Judged[], parts: TakeParts): Judged[] {
  const { audit, keys, reporter, refusals } = parts
  return judged.map((one) => {
    if (one.verdict.kind === 'drop' || refusals.has(one.command.id)) return one
    try {
      audit.received(one.command, keys.cluster.id)
      return one
    } catch (error) {
      if (!(error instanceof AuditUnavailableError)) throw error
      reporter.alert('audit-unavailable', `new commands are refused: ${error.message}`)
      return { ...one, verdict: { kind: 'answer', ...auditUnavailable(error) } }
    }
  })
}

/** Journals and begins; returns the messages that may be acknowledged. */
async function takeCommands(judged: readonly Judged[], parts: TakeParts): Promise<string[]> {
  const dropped = judged.filter(({ verdict }) => verdict.kind === 'drop')
  for (const { command, verdict } of dropped) {
    if (verdict.kind === 'drop') drop(verdict.reason, `command ${command.id}`, parts)
  }
  const wanted = judged.filter(({ verdict }) => verdict.kind !== 'drop')
  // Since it was judged, what was refused may have come into the journal.
  const isRefused = ({ command: { id } }: Judged) =>
    parts.refusals.has(id) || parts.journal.find(id) !== undefined
  const refused = wanted.filter(isRefused)
  const acknowledged = [...dropped, ...refused].map(({ messageId }) => messageId)
  const fresh = wanted.filter((one) => !refused.includes(one))
  if (fresh.length === 0) return acknowledged
  const tasks = await journalOrRefuse(fresh, parts)
  if (tasks === null) return acknowledged
  for (const task of tasks) {
    if (task.result) parts.audit.ended(task.command, task.result)
    parts.onCarriedOut(carryOut(task, parts))
  }
  // What begins is on its way to the runner before anything is said to the queue.
  await nextTurn()
  return [...acknowledged, ...fresh.map(({ messageId }) => messageId)]
}

/** Takes commands into the journal; where they do not fit, their refusals; null when not even those do. */
async function journalOrRefuse(fresh: readonly Judged[], parts: TakeParts): Promise<Task[] | null> {
  try {
    return await journalAll(admitByRoom(fresh, parts), parts)
  } catch (error) {
    if (!(error instanceof JournalWriteError)) throw error
    const why = error.message
    parts.reporter.alert('no-space', `new commands are refused: ${why}`)
    const verdict = { kind: 'answer', state: 'refused', reason: noSpace(why) } as const
    const refusals = fresh.map((one) => ({ ...one, command: withoutWords(one.command), verdict }))
    try {
      return await journalAll(refusals, parts)
    } catch (again) {
      if (!(again instanceof JournalWriteError)) throw again
      parts.refusals.refuse(refusals, why)
      return null
    }
  }
}

/** What answering a command needs of it: it takes less room. */
function withoutWords(command: Command): Command {
  return { ...command, operation: { name: command.operation.name } }
}

/** @throws {JournalWriteError} none was taken. */
async function journalAll(judged: readonly Judged[], parts: TakeParts): Promise<Task[]> {
  const tasks = judged.map((one) => toTask(one, parts))
  try {
    await parts.journal.take(tasks.map(({ entry }) => entry))
  } catch (error) {
    for (const { task } of tasks) task.place.leave()
    throw error
  }
  return tasks.map(({ task }) => task)
}

/** Takes the place in the lane now, so that a command whose turn it is enters the journal as begun: one flush, not two. */
function toTask(
  { command, messageId, verdict }: Judged,
  { lanes, clock }: TakeParts,
): { task: Task; entry: NewEntry } {
  const operation: Operation | null = verdict.kind === 'run' ? verdict.operation : null
  const result = verdict.kind === 'answer' ? endNow(verdict, clock) : null
  const isOrdinary = operation !== null && !isControl(operation)
  const place = lanes.join(isOrdinary ? command.lane : undefined)
  const beginsNow = isOrdinary && !command.content && place.tryTurn()
  const entersAs: NewEntry['entersAs'] = result
    ? { state: 'ended', result }
    : { state: beginsNow ? 'begun' : 'taken' }
  const { state } = entersAs
  return {
    task: { command, operation, place, state, content: [], outputSent: 0, result },
    entry: { command, messageId, entersAs },
  }
}

/**
 * Refuses commands while the disk has no room for the content that is to come, beside its reserve. The reserve is what the
 * journal takes the refusal into, so that even a crash does not make us run what was refused.
 */
function admitByRoom(fresh: readonly Judged[], parts: TakeParts): readonly Judged[] {
  let roomBytes = findRoom(parts)
  const why = 'there is less free space than the reserve and the content that is to come'
  const verdict = { kind: 'answer', state: 'refused', reason: noSpace(why) } as const
  const admitted = fresh.map((one) => {
    const sizeBytes = one.command.content?.size ?? 0
    if (one.verdict.kind !== 'run' || needsNoRoom(one.verdict.operation)) return one
    if (sizeBytes > roomBytes) return { ...one, verdict }
    roomBytes -= sizeBytes
    return one
  })
  const isRefused = admitted.some((one) => one.verdict === verdict)
  if (isRefused) parts.reporter.alert('no-space', `commands are refused: ${why}`)
  return admitted
}

/** What is to end a command that fills the disk is not refused for that: it lays down nothing but its line in the journal. */
function needsNoRoom(operation: Operation): boolean {
  return isControl(operation) && operation.name !== 'stdin'
}

/** Bytes that are free beyond the reserve; below zero where there is less than that. */
function findRoom({ commandsDirectory, limits, log }: TakeParts): number {
  try {
    const { bavail, bsize } = statfsSync(commandsDirectory)
    return bavail * bsize - limits.reserveBytes
  } catch (error) {
    log.warn({ error: String(error) }, 'free space cannot be told')
    return Number.POSITIVE_INFINITY
  }
}

/** Counts, logs and reports what is dropped. That the queue delivers something twice is its nature, and no alert. */
function drop(reason: string, why: string, parts: TakeParts): void {
  const { audit, reporter, onDropped, log } = parts
  onDropped(reason)
  if (reason === 'delivered-again') return log.debug({ reason }, why)
  audit.dropped(reason, why)
  reporter.alert(reason, `a message on the command queue was dropped: ${why}`)
}
