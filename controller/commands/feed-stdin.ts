import { chunkLimitBytes } from '../../protocol/messages/operations.ts'
import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import {
  BodyTooLargeError,
  CommandEndedError,
  CommandNotFoundError,
  RequestInvalidError,
} from '../errors.ts'
import { readCommand, type StoredCommand } from '../store/commands.ts'
import { type Instance, readInstance } from '../store/instances.ts'
import { fileCommand } from './file-command.ts'

/** What one API request may carry, in bytes. */
export const stdinLimitBytes = chunkLimitBytes

/** What one command carries at most, in bytes. */
const mostPieceBytes = 90 * 1024

/**
 * Sends standard input to a running `exec` whose `stdin` is `open`, as commands of its own, in order.
 *
 * @returns the last one's id.
 * @throws {CommandNotFoundError | CommandEndedError | BodyTooLargeError | RequestInvalidError}
 */
export async function feedStdin(
  context: Context,
  departures: Departures,
  targetId: string,
  input: { offset: number; bytes: Uint8Array; end: boolean },
): Promise<string> {
  if (input.bytes.length > stdinLimitBytes) {
    throw new BodyTooLargeError(`send at most ${stdinLimitBytes} bytes of input at once`)
  }
  const { store, postLimit } = context
  const last = await store.write(() => {
    const { target, instance } = requireFed(context, targetId)
    return cutInput(input, pieceBytesWithin(postLimit.bytes())).reduce(
      (_, piece) =>
        fileCommand(context, instance, {
          operation: { name: 'stdin', target: targetId, ...piece },
          startBy: target.deadline,
          timeoutSeconds: 60,
          graceSeconds: 0,
          lane: `stdin-${targetId}`,
          hidden: true,
          targetId,
        }).id,
      '',
    )
  })
  wakeInstanceOf(context, departures, targetId)
  return last
}

function requireFed(
  { store }: Context,
  targetId: string,
): { target: StoredCommand; instance: Instance } {
  const target = readCommand(store, targetId)
  const instance = target && readInstance(store, target.instanceId)
  if (!target || !instance) throw new CommandNotFoundError(targetId)
  if (target.endedAt) throw new CommandEndedError(targetId, target.state)
  if (!('stdin' in target.shown) || target.shown.stdin !== 'open') {
    throw new RequestInvalidError(`command ${targetId} was not begun with \`stdin: open\``)
  }
  return { target, instance }
}

/** Base64 in JSON, signed and sealed, it grows to 2.4 times, beside the rest of the command. Pure. */
function pieceBytesWithin(postLimitBytes: number): number {
  const room = Math.floor((postLimitBytes - 4096) / 2.45)
  return Math.min(mostPieceBytes, Math.max(256, room))
}

/** At least one piece, since an end of file may come without bytes. Pure. */
function cutInput(
  { offset, bytes, end }: { offset: number; bytes: Uint8Array; end: boolean },
  pieceBytes: number,
) {
  const pieces: { offset: number; bytes: string; end: boolean }[] = []
  for (let from = 0; from === 0 || from < bytes.length; from += pieceBytes) {
    const piece = Buffer.from(bytes.subarray(from, from + pieceBytes)).toString('base64url')
    pieces.push({
      offset: offset + from,
      bytes: piece,
      end: end && from + pieceBytes >= bytes.length,
    })
  }
  return pieces
}

function wakeInstanceOf({ store }: Context, departures: Departures, commandId: string): void {
  const command = readCommand(store, commandId)
  if (command) departures.wake(command.instanceId)
}
