import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Operation } from '../../protocol/messages/command.ts'
import type { OwedCommand } from '../journal/journal.ts'
import { describeError } from '../log.ts'
import type { CommandToRun, Resumption, RunningCommand } from '../operations/operation.ts'
import { carryOut } from './carry-out.ts'
import { judgeOpened } from './judge-opened.ts'
import {
  type CarryOutParts,
  commandDirectory,
  endNow,
  isControl,
  makeCommandDirectory,
  type Task,
} from './task.ts'

/** What to do about a command that the journal says was begun. */
export type RecoveryVerdict = 'attach' | 'begin' | 'begin-again' | 'interrupted'

/**
 * Decides it. Pure. `never-begun` is the word of a marker in the command's directory. In the same boot it can be trusted:
 * the marker is written before the program is started, and page cache outlives every process. After a power loss it cannot.
 */
export function judgeRecovery(
  found: Resumption['kind'] | 'unknown',
  { isSameBoot, isIdempotent }: { isSameBoot: boolean; isIdempotent: boolean },
): RecoveryVerdict {
  if (found === 'running-or-ended') return 'attach'
  if (found === 'never-begun' && isSameBoot) return 'begin'
  return isIdempotent ? 'begin-again' : 'interrupted'
}

/**
 * Takes up what the journal says is owed: finds the commands that still run, sends what was not sent, and begins what was
 * not begun. All have their places in their lanes when this resolves, before anything new is claimed.
 *
 * @returns the commands on their way to their ends.
 */
export async function recoverCommands(
  bootId: string,
  parts: CarryOutParts,
): Promise<Promise<void>[]> {
  const owed = [...parts.journal.owed()]
  await removeLeftDirectories(new Set(owed.map(({ command }) => command.id)), parts)
  if (owed.length > 0) parts.log.info({ owed: owed.length }, 'taking up what is owed')
  const tasks = owed.map((one) => ({ one, task: toTask(one, parts) }))
  return tasks.map(async ({ one, task }) => {
    const isToBeFound = one.state !== 'taken' && task.operation && !isControl(task.operation)
    await carryOut(isToBeFound ? await findAgain(task, one, bootId, parts) : task, parts)
  })
}

function toTask(owed: OwedCommand, { lanes, clock }: CarryOutParts): Task {
  const { command, state, content, outputSent } = owed
  const operation = Operation.safeParse(command.operation).data ?? null
  const place = lanes.join(operation && isControl(operation) ? undefined : command.lane)
  if (state === 'begun' && operation && !isControl(operation)) place.forceTurn()
  const message = 'the agent was replaced by one that does not know this operation'
  const reason = { code: 'unknown-operation', message }
  const result = owed.result ?? (operation ? null : endNow({ state: 'failed', reason }, clock))
  return { command, operation, place, state, content, outputSent, result }
}

/** Asks what runs commands what became of one. */
async function findAgain(
  task: Task,
  { bootId }: OwedCommand,
  currentBootId: string,
  parts: CarryOutParts,
): Promise<Task> {
  const { command, result } = task
  if (result) {
    // Nothing of it may be done again: a write would go over what others have written since.
    const directory = commandDirectory(command.id, parts)
    return {
      ...task,
      recovered: { running: parts.operations.recall({ command, directory }, result) },
    }
  }
  const found = await resume(task, parts)
  const running: RunningCommand | null = 'running' in found ? found.running : null
  const verdict = judgeRecovery(found.kind, {
    isSameBoot: bootId === currentBootId,
    isIdempotent: command.idempotent,
  })
  parts.log.info({ command: command.id, found: found.kind, verdict }, 'found again')
  switch (verdict) {
    case 'attach':
      return { ...task, recovered: { running } }
    case 'begin':
      return task
    case 'begin-again':
      return { ...task, beginsAgain: { interrupted: running } }
    case 'interrupted': {
      if (running) return { ...task, recovered: { running } }
      const message = 'the guest, or what ran the command, died while it ran'
      const reason = { code: 'interrupted', message }
      return { ...task, result: endNow({ state: 'interrupted', reason }, parts.clock) }
    }
  }
}

/** `unknown`: not known to have begun, nor not to, so that it must not be begun a second time. */
async function resume(task: Task, parts: CarryOutParts): Promise<Resumption | { kind: 'unknown' }> {
  const { command, operation } = task
  try {
    // These are done in this process, and must not be ended by a clock that is ahead.
    const isDoneHere = operation?.name === 'read' || operation?.name === 'write'
    if (isDoneHere) await parts.clock.untilKnown(parts.closing)
    const directory = makeCommandDirectory(command.id, parts)
    const deadlineMs = Math.max(0, command.deadline.getTime() - parts.clock.now().getTime())
    const contentPath = command.content ? join(directory, 'content') : null
    const again = judgeOpened(task, parts)
    const toRun: CommandToRun = { command, directory, contentPath, deadlineMs, ...again }
    return await parts.operations.resume(toRun)
  } catch (error) {
    parts.log.error({ command: command.id, ...describeError(error) }, 'cannot find it again')
    return { kind: 'unknown' }
  }
}

/** Directories of commands that are done, left behind by a crash. */
async function removeLeftDirectories(
  owed: ReadonlySet<string>,
  { commandsDirectory, log }: CarryOutParts,
): Promise<void> {
  for (const name of await readdir(commandsDirectory)) {
    if (owed.has(name)) continue
    try {
      await rm(join(commandsDirectory, name), { recursive: true, force: true })
    } catch (error) {
      // Something is mounted there, say: no reason not to serve.
      log.warn({ command: name, ...describeError(error) }, 'a left directory stays')
    }
  }
}
