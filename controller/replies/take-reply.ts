import type { Result } from '../../protocol/messages/replies.ts'
import type { Reply } from '../../protocol/sealing/seal-reply.ts'
import type { Context } from '../context.ts'
import { raiseAlert } from '../store/alerts.ts'
import { endCommand, markAccepted, noteContentTaken } from '../store/command-changes.ts'
import { readCommand, type StoredCommand } from '../store/commands.ts'
import { markSeen } from '../store/instances.ts'
import { takeOutput } from './take-output.ts'

/** Books a reply that was proved to come from the command's instance. Call it inside `write`. */
export function takeReply(context: Context, commandId: string, reply: Reply): void {
  const { store, world } = context
  const command = readCommand(store, commandId)
  if (command === undefined) return
  markSeen(store, command.instanceId, world.now())
  switch (reply.kind) {
    case 'accepted':
      noteFirstWord(context, command)
      return markAccepted(store, command.id, world.now())
    case 'progress':
      return noteContentTaken(store, command.id, reply.progress.contentBytes)
    case 'output':
      return takeOutput(context, command, reply)
    case 'result':
      return takeResult(context, command, reply.result)
  }
}

/** The first final state stays: one that comes again is a repetition, another one is something to look at. */
function takeResult(context: Context, command: StoredCommand, result: Result): void {
  const { config, store, world, log } = context
  const settleBy = new Date(world.now().getTime() + config.lostMarginSeconds * 1000)
  context.dueBell.ring(settleBy)
  const end = { state: result.state, result, now: world.now(), dueAt: settleBy }
  if (endCommand(store, command.id, end)) {
    noteFirstWord(context, command)
    context.metrics.noteEnded(result.state, secondsSince(command.createdAt, end.now))
    return
  }
  if (command.state === result.state) return
  const alert = {
    at: world.now(),
    code: 'late-result',
    message: `command ${command.id} had ended as ${command.state} when its agent reported ${result.state}; the first state stays`,
  }
  log.warn({ command: command.id, instance: command.instanceId, alert: alert.code }, alert.message)
  raiseAlert(store, command.instanceId, alert)
}

/** `accepted`, or the result where that came at once. */
function noteFirstWord(
  { metrics, world }: Context,
  { acceptedAt, createdAt }: StoredCommand,
): void {
  if (acceptedAt === null) metrics.noteFirstWord(secondsSince(createdAt, world.now()))
}

function secondsSince(moment: Date, now: Date): number {
  return (now.getTime() - moment.getTime()) / 1000
}
