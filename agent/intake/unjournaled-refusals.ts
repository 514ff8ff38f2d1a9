import type { Command } from '../../protocol/messages/command.ts'
import type { Result } from '../../protocol/messages/replies.ts'
import type { AuditTrail } from '../audit/audit-trail.ts'
import { JournalWriteError } from '../errors.ts'
import type { Journal, NewEntry, RefusedCommand } from '../journal/journal.ts'
import { untilJournaled } from '../journal/until-journaled.ts'
import { noSpace } from '../lanes/begin-in-time.ts'
import { endNow } from '../lanes/task.ts'
import { describeError } from '../log.ts'
import { type ReplyParts, replyTo } from '../reply/command-replies.ts'

/** What refusing without a journal needs. */
export interface RefusalParts extends Omit<ReplyParts, 'journal'> {
  journal: Pick<Journal, 'noteOutputSent' | 'take' | 'rememberRefused' | 'markSent'>
  audit: Pick<AuditTrail, 'ended'>
  /** Deletes messages from the command queue; resolves when they are gone. */
  acknowledge: (messageIds: readonly string[]) => Promise<void>
  /** Told of each answer on its way. */
  onCarriedOut: (ending: Promise<void>) => void
  closing: AbortSignal
}

export interface Refused {
  /** The words of its operation are not needed. */
  command: Command
  messageId: string
}

interface Remembered extends Refused {
  result: Result
  /** The return queue has the refusal. */
  isAnswered: boolean
}

/** The commands that were refused because the journal did not take them. */
export interface UnjournaledRefusals {
  /**
   * Refuses them. Whoever hears "refused" must be able to rely on it, however the agent is killed, so:
   *
   * 1. the refusal is journaled, or the id alone, which takes less room; where even that fails, it is tried until it succeeds;
   * 2. the message is deleted: what is not on the queue cannot be delivered to a next agent that knows nothing of this;
   * 3. the refusal is posted.
   *
   * A crash never runs it, and while the refusal is not journaled it costs the answer: the controller ends the command as
   * `lost`.
   */
  refuse: (refused: readonly Refused[], why: string) => void
  /** Whether it was refused, and the journal does not know yet. */
  has: (id: string) => boolean
  /** How many have no answer on the return queue yet. */
  unansweredCount: () => number
}

/** So many are remembered while the journal takes nothing; the oldest go first, which the queue has long deleted. */
const rememberedLimit = 10_000

export function createUnjournaledRefusals(parts: RefusalParts): UnjournaledRefusals {
  const { acknowledge, audit, clock, closing, journal, onCarriedOut } = parts
  const remembered = new Map<string, Remembered>()
  let unanswered = 0
  let isWriting = false
  let lastWrite = Promise.resolve()

  /** One after the other, lest two take the same ones. */
  const writeAll = async (): Promise<void> => {
    lastWrite = lastWrite.catch(() => undefined).then(write)
    await lastWrite
  }

  const write = async (): Promise<void> => {
    const { owed = [], answered = [] } = Object.groupBy(remembered.values(), ({ isAnswered }) =>
      isAnswered ? 'answered' : 'owed',
    )
    if (answered.length > 0) await journal.rememberRefused(answered.map(toId))
    forget(answered)
    if (owed.length > 0) await takeOwed(owed)
    forget(owed)
    markSent(owed.filter(({ isAnswered }) => isAnswered))
  }

  const takeOwed = async (owed: readonly Remembered[]): Promise<void> => {
    try {
      await journal.take(owed.map(toEntry))
    } catch (error) {
      if (!(error instanceof JournalWriteError)) throw error
      await journal.rememberRefused(owed.map(toId))
    }
  }

  const forget = (written: readonly Remembered[]): void => {
    for (const { command } of written) remembered.delete(command.id)
  }

  /** Nothing for those of which the journal has the id alone. */
  const markSent = (answered: readonly Remembered[]): void => {
    for (const { command } of answered) {
      const marked = untilJournaled(async () => journal.markSent(command.id), parts)
      onCarriedOut(marked.catch(() => undefined))
    }
  }

  const keepWriting = async (): Promise<void> => {
    if (isWriting) return
    isWriting = true
    try {
      while (remembered.size > 0) await untilJournaled(writeAll, parts)
    } finally {
      isWriting = false
    }
  }

  const answer = async (refused: readonly Remembered[]): Promise<void> => {
    try {
      await writeAll()
    } catch (error) {
      if (!(error instanceof JournalWriteError)) throw error
      onCarriedOut(keepWriting().catch(() => undefined))
    }
    await acknowledge(refused.map(({ messageId }) => messageId))
    await Promise.all(
      refused.map(async (one) => {
        const { command, result } = one
        const replies = replyTo(command, parts, closing)
        await replies.sendResult(replies.sealResult(result))
        one.isAnswered = true
        if (!remembered.has(command.id)) markSent([one])
      }),
    )
  }

  return {
    has: (id) => remembered.has(id),
    unansweredCount: () => unanswered,
    refuse: (refused, why) => {
      const result = endNow({ state: 'refused', reason: noSpace(why) }, clock)
      const all = refused.map((one): Remembered => ({ ...one, result, isAnswered: false }))
      for (const one of all) {
        remembered.set(one.command.id, one)
        audit.ended(one.command, result)
      }
      for (const id of remembered.keys()) {
        if (remembered.size <= rememberedLimit) break
        remembered.delete(id)
      }
      unanswered += all.length
      const answered = answer(all).catch((error: unknown) => {
        if (closing.aborted) return
        parts.log.error(describeError(error), 'a refusal is left to the controller’s deadline')
      })
      onCarriedOut(
        answered.finally(() => {
          unanswered -= all.length
        }),
      )
    },
  }
}

function toEntry({ command, messageId, result }: Remembered): NewEntry {
  return { command, messageId, entersAs: { state: 'ended', result } }
}

function toId({ command: { id, deadline }, messageId }: Remembered): RefusedCommand {
  return { id, messageId, deadline }
}
