import type { Command } from '../../protocol/messages/command.ts'
import type { Result } from '../../protocol/messages/replies.ts'
import type { Envelope } from '../../protocol/sealing/envelope.ts'
import { type Reply, sealReply } from '../../protocol/sealing/seal-reply.ts'
import type { World } from '../../protocol/world.ts'
import type { ServerClock } from '../clock/server-clock.ts'
import type { Journal } from '../journal/journal.ts'
import { describeError, type Log } from '../log.ts'
import type { RunningCommand } from '../operations/operation.ts'
import type { Outbox, OutgoingMessage } from './outbox.ts'
import { type OutputPump, type OutputSink, pumpOutput } from './pump-output.ts'

/** What an agent says about one command, in the order in which it is said. */
export interface CommandReplies {
  /** Says that the command is journaled, unless its result is there within a moment. */
  accept: () => void
  /** Says how much of the content has come without a hole; only the newest word counts. */
  progress: (contentBytes: number) => void
  /** Sends output while the command runs. */
  sendOutput: (running: RunningCommand, fromOffset: number) => OutputPump
  /** Seals the result; nobody hears of it yet. */
  sealResult: (result: Result) => Promise<Envelope>
  /** Sends the sealed result behind all that was said before; resolves when the return queue has taken it. */
  sendResult: (sealed: Promise<Envelope>) => Promise<void>
}

/** What replying needs. */
export interface ReplyParts {
  outbox: Outbox
  journal: Pick<Journal, 'noteOutputSent'>
  clock: ServerClock
  world: World
  log: Log
}

/** A command that ends within this time has no `accepted` of its own, in milliseconds. */
const acceptDelayMs = 100
/** Replies outlive the command's deadline by this, in seconds: the controller may be down for a day. */
const marginSeconds = 86_400
const ttlBounds = { least: 3600, most: 1_209_600 }
/** A result that is larger may not fit into a POST once it is sealed, in characters of JSON (three bytes each at most). */
const resultLimit = 60_000

/** @param closing ends all waiting. */
export function replyTo(
  command: Command,
  { outbox, journal, clock, world, log }: ReplyParts,
  closing: AbortSignal,
): CommandReplies {
  const saidMore = new AbortController()
  let lastQueued = Promise.resolve()

  const seal = async (reply: Reply) => sealReply(reply, command)

  /** What is sealed side by side goes into the outbox in the order of the calls. */
  const post = async (
    sealed: Promise<Envelope>,
    how: Pick<OutgoingMessage, 'replaces' | 'inAnyOrder'> = {},
  ): Promise<void> => {
    const before = lastQueued
    const queued = Promise.withResolvers<void>()
    lastQueued = queued.promise
    let posted: Promise<void>
    try {
      const envelope = await sealed
      await before
      const ttlSeconds = replyTtlSeconds(command.deadline, clock.now())
      posted = outbox.post({ envelope, ttlSeconds, ...how })
    } finally {
      queued.resolve()
    }
    await posted
  }
  const postAside = (reply: Reply, replaces?: string): void => {
    // Lost with the agent, it is not missed: the result says all that these say.
    post(seal(reply), replaces ? { replaces } : {}).catch((error: unknown) => {
      if (!closing.aborted) log.error({ command: command.id, ...describeError(error) }, 'no reply')
    })
  }

  const sink: OutputSink = {
    postOutput: async ({ offset, stream, parts }) => {
      const bytes = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
      await post(seal({ kind: 'output', offset, stream, bytes }), { inAnyOrder: true })
    },
    noteSent: (offset) => journal.noteOutputSent(command.id, offset),
  }

  return {
    accept: () => {
      const at = clock.now()
      const say = () => {
        if (!saidMore.signal.aborted) postAside({ kind: 'accepted', accepted: { at } })
      }
      world.sleep(acceptDelayMs, saidMore.signal).then(say, () => undefined)
    },
    progress: (contentBytes) => {
      postAside({ kind: 'progress', progress: { contentBytes } }, `progress ${command.id}`)
    },
    sendOutput: (running, fromOffset) => pumpOutput(running, fromOffset, sink, closing),
    sealResult: async (result) => seal({ kind: 'result', result: fitResult(result) }),
    sendResult: async (sealed) => {
      saidMore.abort('said')
      await post(sealed)
    },
  }
}

/** How long the queue is to keep a reply. Pure. */
export function replyTtlSeconds(deadline: Date, now: Date): number {
  const untilDeadline = Math.ceil((deadline.getTime() - now.getTime()) / 1000)
  return Math.min(ttlBounds.most, Math.max(ttlBounds.least, untilDeadline + marginSeconds))
}

/** An answer that no POST can carry is left out, and said to be. */
function fitResult(result: Result): Result {
  if (JSON.stringify(result).length <= resultLimit) return result
  const survivors = result.survivors.slice(0, 100)
  return { ...result, survivors, answer: { omitted: 'the answer is too large for one message' } }
}
