import type { Command } from '../../protocol/messages/command.ts'
import type { Result } from '../../protocol/messages/replies.ts'
import type { AuditTrail } from '../audit/audit-trail.ts'
import { JournalWriteError } from '../errors.ts'
import type { Journal, RefusedCommand } from '../journal/journal.ts'
import { untilJournaled } from '../journal/until-journaled.ts'
import { noSpace } from '../lanes/begin-in-time.ts'
import { endNow } from '../lanes/task.ts'
import { describeError } from '../log.ts'
import { type ReplyParts, replyTo } from '../reply/command-replies.ts'

/** What refusing without a journal needs. */
export interface RefusalParts extends Omit<ReplyParts, 'journal'> {
  journal: Pick<Journal, 'noteOutputSent' | 'rememberRefused'>
  audit: Pick<AuditTrail, 'ended'>
  /** Deletes messages from the command queue; resolves when they are gone. */
  acknowledge: (messageIds: readonly string[]) => Promise<void>
  /** Told of each answer on its way. */
  onCarriedOut: (ending: Promise<void>) => void
  closing: AbortSignal
}

export interface Refused {
  command: Command
  messageId: string
}

/** The commands that were refused because the journal did not take them. */
export interface UnjournaledRefusals {
  /**
   * Refuses them. Whoever hears "refused" must be able to rely on it, however the agent is killed, so:
   *
   * 1. the id is journaled, which takes less room than the command; where even that fails, it is tried until it succeeds;
   * 2. the message is deleted: what is not on the queue cannot be delivered to a next agent that knows nothing of this;
   * 3. the refusal is posted.
   *
   * A crash between costs the answer (the controller ends the command as `lost`), and never runs it.
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
  const remembered = new Map<string, RefusedCommand>()
  let unanswered = 0
  let isWriting = false

  const writeAll = async (): Promise<void> => {
    const all = [...remembered.values()]
    await journal.rememberRefused(all)
    for (const { id } of all) remembered.delete(id)
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

  const answer = async (refused: readonly Refused[], result: Result): Promise<void> => {
    try {
      await writeAll()
    } catch (error) {
      if (!(error instanceof JournalWriteError)) throw error
      onCarriedOut(keepWriting().catch(() => undefined))
    }
    await acknowledge(refused.map(({ messageId }) => messageId))
    await Promise.all(
      refused.map(async ({ command }) => {
        const replies = replyTo(command, parts, closing)
        await replies.sendResult(replies.sealResult(result))
      }),
    )
  }

  return {
    has: (id) => remembered.has(id),
    unansweredCount: () => unanswered,
    refuse: (refused, why) => {
      const result = endNow({ state: 'refused', reason: noSpace(why) }, clock)
      for (const { command, messageId } of refused) {
        remembered.set(command.id, { id: command.id, messageId, deadline: command.deadline })
        audit.ended(command, result)
      }
      for (const id of remembered.keys()) {
        if (remembered.size <= rememberedLimit) break
        remembered.delete(id)
      }
      unanswered += refused.length
      const answered = answer(refused, result).catch((error: unknown) => {
        if (closing.aborted) return
        parts.log.error(describeError(error), 'a refusal is left to the controller’s deadline')
      })
      onCarriedOut(
        answered.finally(() => {
          unanswered -= refused.length
        }),
      )
    },
  }
}
