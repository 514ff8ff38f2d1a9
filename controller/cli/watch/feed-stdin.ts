import { addAbortSignal } from 'node:stream'
import { chunkLimitBytes } from '../../../protocol/messages/operations.ts'
import type { CommandRecord } from '../../api/resources.ts'
import { printable } from '../output/printable.ts'
import { describeError } from '../report-error.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'
import type { Following } from './follow-command.ts'
import { followToEnd } from './follow-command.ts'
import { createPatience } from './patience.ts'

/**
 * Feeds our own standard input to every command, until its end or until no command takes it any more. The next bytes
 * are read only when the slowest instance has taken the last ones, so nothing piles up anywhere.
 *
 * @param following its `signal` ends it, and closes our standard input.
 */
export async function feedStdin(
  following: Following & { signal: AbortSignal },
  commands: readonly CommandRecord[],
  terminal: Terminal,
): Promise<void> {
  let takers = commands
  let offset = 0
  const feed = async (bytes: Uint8Array, end: boolean) => {
    const verdicts = await Promise.all(
      takers.map((command) => feedOne(following, command, { offset, bytes, end }, terminal)),
    )
    takers = takers.filter((_, index) => verdicts.at(index))
    offset += bytes.length
  }
  try {
    for await (const bytes of chunksOf(addAbortSignal(following.signal, terminal.stdin))) {
      await feed(bytes, false)
      if (takers.length === 0) return
    }
    await feed(new Uint8Array(0), true)
  } catch (error) {
    // The commands have ended: what else might have been typed does not matter.
    if (!following.signal.aborted) throw error
  } finally {
    terminal.stdin.destroy()
  }
}

async function* chunksOf(stdin: AsyncIterable<Uint8Array | string>): AsyncGenerator<Uint8Array> {
  for await (const read of stdin) {
    const bytes = Buffer.from(read)
    for (let from = 0; from < bytes.length; from += chunkLimitBytes) {
      yield bytes.subarray(from, from + chunkLimitBytes)
    }
  }
}

/** The next bytes of standard input, and whether they are the last. */
interface Piece {
  offset: number
  bytes: Uint8Array
  end: boolean
}

/** @returns whether this command takes more. */
async function feedOne(
  following: Following,
  { id, instance }: CommandRecord,
  piece: Piece,
  { stderr }: Terminal,
): Promise<boolean> {
  try {
    // A queue service that takes less than others says so by refusing the first: then the controller sends less at once.
    const first = await postPiece(following, id, piece)
    if (first.state === 'succeeded') return true
    // A program that ends without reading all of its input is nothing to speak of (EPIPE of a local pipe).
    if ((await following.api.getCommand(id)).value.ended) return false
    const { state, result } = await postPiece(following, id, piece)
    if (state === 'succeeded') return true
    const why = result?.reason?.message ?? state
    await writeAll(stderr, `${instance}: takes no more standard input: ${printable(why)}\n`)
    return false
  } catch (error) {
    if (describeError(error).code === 'ERR_COMMAND_ENDED') return false
    throw error
  }
}

/** @returns how the piece, or the last part that it was cut into, ended. */
async function postPiece(following: Following, id: string, piece: Piece): Promise<CommandRecord> {
  return (await followToEnd(following, await post(following, id, piece))).value
}

/** Posts until the controller has it: its offset makes a piece that comes twice count once. @returns the id of the post. */
async function post(
  { api, world, signal }: Following,
  id: string,
  { offset, bytes, end }: Piece,
): Promise<string> {
  const patience = createPatience(world)
  for (;;) {
    try {
      return (await api.feedStdin(id, offset, bytes, end)).value.id
    } catch (error) {
      await patience.bear(error, signal)
    }
  }
}
