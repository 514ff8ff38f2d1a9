import type { OutputStream } from '../../protocol/messages/replies.ts'
import type { Context } from '../context.ts'
import { OutputRemovedError } from '../errors.ts'
import { readCommand } from '../store/commands.ts'
import { type Piece, readOutput, readStream } from '../store/output.ts'
import { commandKey } from '../wakeups.ts'
import { noteDropped } from '../young-garbage.ts'

/** Which output is wanted. */
export interface OutputWish {
  /** One stream alone; `offset` then counts that stream. Default: all, in the order in which the agent read them. */
  stream?: OutputStream | undefined
  offset: number
  /** Goes on until the command has ended and no more output is waited for. */
  follow: boolean
}

/**
 * A command's output in order, as it comes. Pulling is the back-pressure: what is not pulled stays in the store.
 *
 * @throws {OutputRemovedError} it was removed, also in the middle.
 * @throws the signal's reason.
 */
export async function* followOutput(
  { store, wakeups }: Pick<Context, 'store' | 'wakeups'>,
  id: string,
  { stream, offset, follow }: OutputWish,
  signal: AbortSignal,
): AsyncGenerator<Piece, void, undefined> {
  using changes = wakeups.subscribe(commandKey(id))
  let next = offset
  for (;;) {
    signal.throwIfAborted()
    // First the command, then its output: once it is settled, nothing is added any more.
    const command = readCommand(store, id)
    if (command === undefined || command.outputRemoved) throw new OutputRemovedError(id)
    const pieces =
      stream === undefined
        ? readOutput(store, command.seq, next)
        : readStream(store, command.seq, stream, next)
    for (const piece of pieces) {
      yield piece
      next = piece.offset + piece.bytes.length
      noteDropped(piece.bytes.length)
    }
    if (pieces.length > 0) continue
    if (!follow || command.outputSettled) return
    await changes.next(signal)
  }
}
