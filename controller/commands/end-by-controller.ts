import type { Result } from '../../protocol/messages/replies.ts'
import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import { endCommand, settleOutput } from '../store/command-changes.ts'
import type { StoredCommand } from '../store/commands.ts'

/** Whether it is certain that no queue service has ever seen this command. */
export function hasNeverLeft(command: StoredCommand, departures: Departures): boolean {
  return command.state === 'queued' && !command.mayHaveLeft && !departures.isUnderWay(command.id)
}

/** Ends a command that has never left: nobody but us knows of it. Call it inside `write`. */
export function endNeverPosted(
  { store, world, metrics }: Pick<Context, 'store' | 'world' | 'metrics'>,
  command: StoredCommand,
  state: 'cancelled' | 'expired',
): void {
  const now = world.now()
  const reason = { code: 'never-posted', message: 'it ended before it was sent to its instance' }
  const result = {
    state,
    reason,
    endedAt: now,
    outputBytes: 0,
    streams: {},
    survivors: [],
    answer: {},
  } satisfies Result
  if (endCommand(store, command.id, { state, result, now, dueAt: null })) {
    settleOutput(store, command.id, true)
    metrics.noteEnded(state, (now.getTime() - command.createdAt.getTime()) / 1000)
  }
}

/**
 * Gives a command up: it may have run, and nobody knows. Its reply key stays, so that a late answer can at least be
 * told from a forged one. Call it inside `write`.
 */
export function endLost(
  { store, world, metrics }: Pick<Context, 'store' | 'world' | 'metrics'>,
  { id, createdAt }: Pick<StoredCommand, 'id' | 'createdAt'>,
): void {
  const end = { state: 'lost', result: null, now: world.now(), dueAt: null } as const
  if (!endCommand(store, id, end)) return
  settleOutput(store, id, false, { keepReplyKey: true })
  metrics.noteEnded('lost', (end.now.getTime() - createdAt.getTime()) / 1000)
}
