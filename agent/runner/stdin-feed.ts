import type { Socket } from 'node:net'
import type { StdinVerdict } from '../operations/operation.ts'

/** Standard input of a running program, fed in chunks that say where they belong. */
export interface StdinFeed {
  /** Resolves when the pipe has taken the bytes: whoever waits for it before sending more is held back by the program. */
  feed: (offset: number, bytes: Uint8Array, end: boolean) => Promise<StdinVerdict>
}

/** `socket` is null when standard input is not open for feeding. */
export function createStdinFeed(socket: Socket | null): StdinFeed {
  let nextOffset = 0
  let hasEnded = false
  let turn: Promise<unknown> = Promise.resolve()
  // A program may close its input before it has read all: that is its right, and no error (EPIPE).
  socket?.on('error', () => {})
  socket?.once('close', () => {
    hasEnded = true
  })

  const take = async (offset: number, bytes: Uint8Array, end: boolean): Promise<StdinVerdict> => {
    if (socket === null) return { taken: false, reason: 'not-open', nextOffset }
    if (offset > nextOffset) return { taken: false, reason: 'hole', nextOffset }
    const fresh = bytes.subarray(nextOffset - offset)
    if (hasEnded) {
      return fresh.length === 0 ? { taken: true } : { taken: false, reason: 'ended', nextOffset }
    }
    nextOffset += fresh.length
    hasEnded = end
    const written = Promise.withResolvers<void>()
    // Called in any case: when the pipe took them, or when it is gone.
    if (fresh.length > 0) socket.write(fresh, () => written.resolve())
    else written.resolve()
    if (end) socket.end()
    await written.promise
    return { taken: true }
  }

  return {
    // One after the other, or two chunks that come at once would both see the same place.
    feed: async (offset, bytes, end) => {
      const verdict = turn.then(async () => take(offset, bytes, end))
      turn = verdict
      return verdict
    },
  }
}
