import type { Context } from '../context.ts'
import { raiseAlert } from '../store/alerts.ts'
import type { StoredCommand } from '../store/commands.ts'
import { appendOutput, cutFront, keepWaiting, type Piece, takeWaiting } from '../store/output.ts'

/**
 * Adds a piece of output where it belongs: what is there already is dropped, what lies behind a hole waits until the
 * hole is filled. Past a bound it is dropped, and the command's output stays incomplete. Call it inside `write`.
 */
export function takeOutput(context: Context, command: StoredCommand, piece: Piece): void {
  const { store, config } = context
  const fresh = cutFront(piece, command.outputBytes).at(0)
  if (fresh === undefined || fresh.bytes.length === 0 || command.outputSettled) return
  if (fresh.offset + fresh.bytes.length > config.limits.outputBytesPerCommand) {
    alertBound(context, command, 'outputBytesPerCommand')
  } else if (fresh.offset === command.outputBytes) {
    appendOutput(store, command.seq, fresh)
    closeHole(context, command.seq, fresh.offset + fresh.bytes.length)
  } else if (command.waitingBytes + fresh.bytes.length > config.limits.waitingOutputBytes) {
    alertBound(context, command, 'waitingOutputBytes')
  } else if (command.waitingPieces >= config.limits.waitingOutputPieces) {
    alertBound(context, command, 'waitingOutputPieces')
  } else {
    keepWaiting(store, command.seq, fresh)
  }
}

/** Appends what has waited for this end, piece by piece. */
function closeHole({ store }: Context, commandSeq: number, end: number): void {
  let reached = end
  for (;;) {
    const piece = takeWaiting(store, commandSeq, reached)
    if (piece === undefined) return
    const fresh = cutFront(piece, reached).at(0)
    if (fresh === undefined) continue
    appendOutput(store, commandSeq, fresh)
    reached += fresh.bytes.length
  }
}

function alertBound({ store, world }: Context, command: StoredCommand, limit: string) {
  const alert = {
    at: world.now(),
    code: 'output-limit',
    message: `output of command ${command.id} was dropped: it is over limits.${limit}`,
  }
  raiseAlert(store, command.instanceId, alert)
}
