import type { Result } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import type { AuditTrail } from '../audit/audit-trail.ts'
import { JournalWriteError } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import { untilJournaled } from '../journal/until-journaled.ts'
import { describeError } from '../log.ts'
import { readRecord } from '../runner/command-record.ts'
import { type CarryOutParts, commandDirectory, isControl, type Task } from './task.ts'

interface RecordEndParts extends Pick<CarryOutParts, 'log' | 'closing' | 'commandsDirectory'> {
  journal: Pick<Journal, 'markEnded' | 'markSent'>
  audit: Pick<AuditTrail, 'ended'>
  world: Pick<World, 'sleep' | 'random'>
}

/**
 * Journals a result, before anybody hears of it. With a full disk it may go out all the same, where the command's own files
 * say that it was begun: they keep the next start from beginning it. Where nothing does (it was cancelled while it waited,
 * say), a crash would let the command run after all, and the controller was told otherwise. So the journal first takes
 * the end, or at least forgets the command, which needs hardly any room, but may have to wait for some; where it has only
 * forgotten it a crash costs the answer, and never runs it.
 *
 * @param onWait called before it waits, which may last.
 */
export async function recordEnd(
  { command, operation, state }: Pick<Task, 'command' | 'operation' | 'state'>,
  result: Result,
  onWait: () => void,
  parts: RecordEndParts,
): Promise<void> {
  const { id } = command
  const { audit, journal, log } = parts
  const reason = result.reason?.code
  log.info({ command: id, state: result.state, ...(reason ? { reason } : {}) }, 'ended')
  if (state === 'ended') return
  // Before the journal: a crash in between tells it twice, the other order not at all.
  audit.ended(command, result)
  try {
    await journal.markEnded(id, result)
  } catch (error) {
    if (!(error instanceof JournalWriteError)) throw error
    log.error({ command: id, ...describeError(error) }, 'its result is not in the journal')
    const mayRepeat = !operation || isControl(operation)
    if (mayRepeat || (await isKnownToHaveBegun(id, parts))) return
    onWait()
    await untilJournaled(async () => endOrForget(id, result, journal), parts)
  }
}

/** Tries the end again at each turn, since by now there may be room for it. */
async function endOrForget(
  id: string,
  result: Result,
  journal: RecordEndParts['journal'],
): Promise<void> {
  try {
    await journal.markEnded(id, result)
  } catch (error) {
    if (!(error instanceof JournalWriteError)) throw error
    await journal.markSent(id)
  }
}

async function isKnownToHaveBegun(id: string, parts: RecordEndParts): Promise<boolean> {
  const { kind } = await readRecord(commandDirectory(id, parts))
  return kind !== 'never-begun'
}
