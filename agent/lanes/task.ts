import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Command, Operation } from '../../protocol/messages/command.ts'
import type { EndState, Reason, Result } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import type { AuditTrail } from '../audit/audit-trail.ts'
import type { ServerClock } from '../clock/server-clock.ts'
import type { ControlParts } from '../control/perform-control.ts'
import type { ByteRanges } from '../intake/byte-ranges.ts'
import type { Journal } from '../journal/journal.ts'
import type { Log } from '../log.ts'
import type { CommandToRun, Resumption, RunningCommand } from '../operations/operation.ts'
import type { PolicyKeeper } from '../policy/policy-keeper.ts'
import type { ReplyParts } from '../reply/command-replies.ts'
import type { Desk } from './held-command.ts'
import type { Lanes, Place } from './lanes.ts'

/** What runs commands (`operations/begin-command.ts`). */
export interface Operations {
  begin: (toRun: CommandToRun) => Promise<RunningCommand>
  /** Forgets a run that was cut short, and begins anew. */
  beginAgain: (toRun: CommandToRun) => Promise<RunningCommand>
  resume: (toRun: CommandToRun) => Promise<Resumption>
  /** One whose end is known, for its output. */
  recall: (toRun: Pick<CommandToRun, 'command' | 'directory'>, result: Result) => RunningCommand
}

/** What carrying commands out needs. */
export interface CarryOutParts extends ReplyParts, ControlParts {
  journal: Journal
  policy: PolicyKeeper
  audit: AuditTrail
  operations: Operations
  desk: Desk
  lanes: Lanes
  /** Bounds how many commands have output in memory. */
  senders: Lanes
  commandsDirectory: string
  clock: ServerClock
  world: World
  log: Log
  /** Aborted when the agent closes; what is not done then is done by the next one. */
  closing: AbortSignal
}

/** A command that stands in the journal. */
export interface Task {
  command: Command
  /** Null for one whose answer is known. */
  operation: Operation | null
  /** Its place in its lane; taken when it was journaled, so that the order is kept. */
  place: Place
  /** How far the journal says it has come. */
  state: 'taken' | 'begun' | 'ended'
  content: ByteRanges
  outputSent: number
  /** The answer, where it is known. */
  result: Result | null
  /** After a restart: what became of it (`recover-commands.ts`). */
  recovered?: { running: RunningCommand | null }
  /** An idempotent one that was interrupted; what is left of its first run, where that is known. */
  beginsAgain?: { interrupted: RunningCommand | null }
}

/** The operations that act on the agent itself: they take no turn in a lane, and may be done again after a crash. */
export type ControlOperation = Extract<
  Operation,
  { name: 'cancel' | 'stdin' | 'credentials' | 'ping' }
>

export function isControl(operation: Operation): operation is ControlOperation {
  return ['cancel', 'stdin', 'credentials', 'ping'].includes(operation.name)
}

/** A result for a command that no process ran. */
export function endNow(
  end: { state: EndState; reason: Reason; rule?: string },
  clock: Pick<ServerClock, 'now'>,
): Result {
  const { state, reason, rule } = end
  const endedAt = clock.now()
  const by = rule === undefined ? {} : { rule }
  return { state, reason, ...by, endedAt, outputBytes: 0, streams: {}, survivors: [], answer: {} }
}

/** A command's own directory. Its id was parsed as a UUID: it cannot lead elsewhere. */
export function commandDirectory(id: string, parts: Pick<CarryOutParts, 'commandsDirectory'>) {
  return join(parts.commandsDirectory, id)
}

/** At once: a trip through the thread pool takes longer than making it. */
export function makeCommandDirectory(
  id: string,
  parts: Pick<CarryOutParts, 'commandsDirectory'>,
): string {
  const directory = commandDirectory(id, parts)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return directory
}
