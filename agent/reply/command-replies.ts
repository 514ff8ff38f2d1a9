import type { Command } from '../../protocol/messages/command.ts'
import { chunkBytesWithin } from '../../protocol/messages/operations.ts'
import type { OutputStream, Result } from '../../protocol/messages/replies.ts'
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
  sealResult: (result: Result) => Promise<OutgoingMessage>
  /** Sends the sealed result behind all that was said before; resolves when the return queue has taken it. */
  sendResult: (sealed: Promise<OutgoingMessage>) => Promise<void>
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

/** @param closing ends all waiting. */
export function replyTo(
  command: Command,
  { outbox, journal, clock, world, log }: ReplyParts,
  closing: AbortSignal,
): CommandReplies {
  const saidMore = new AbortController()
  let lastQueued = Promise.resolve()

  const seal = async (
    reply: Reply,
    how: Pick<OutgoingMessage, 'replaces' | 'inAnyOrder' | 'cut'> = {},
  ): Promise<OutgoingMessage> => {
    const ttlSeconds = replyTtlSeconds(command.deadline, clock.now())
    return { envelope: await sealReply(reply, command), ttlSeconds, ...how }
  }
  /** In as many messages as the queue wants. */
  const sealOutput = async (output: Output, postLimitBytes: number): Promise<OutgoingMessage[]> => {
    const pieces = cutOutput(output, chunkBytesWithin(postLimitBytes)).map(async (piece) => {
      const cut = async (limit: number) =>
        piece.bytes.length > chunkBytesWithin(limit) ? await sealOutput(piece, limit) : []
      return await seal({ kind: 'output', ...piece }, { inAnyOrder: true, cut })
    })
    return await Promise.all(pieces)
  }
  const sealResult = async (result: Result): Promise<OutgoingMessage> => {
    const cut = async (limit: number) => {
      const smaller = fitResult(result, chunkBytesWithin(limit))
      return sizeBytes(smaller) < sizeBytes(result) ? [await sealResult(smaller)] : []
    }
    return await seal({ kind: 'result', result }, { cut })
  }

  /** What is sealed side by side goes into the outbox in the order of the calls. */
  const post = async (sealed: Promise<OutgoingMessage[]>): Promise<void> => {
    const before = lastQueued
    const queued = Promise.withResolvers<void>()
    lastQueued = queued.promise
    let posted: Promise<unknown>
    try {
      const messages = await sealed
      await before
      posted = Promise.all(messages.map(async (message) => await outbox.post(message)))
    } finally {
      queued.resolve()
    }
    await posted
  }
  const postAside = (reply: Reply, replaces?: string): void => {
    // Lost with the agent, it is not missed: the result says all that these say.
    const sealed = seal(reply, replaces ? { replaces } : {})
    post(sealed.then((message) => [message])).catch((error: unknown) => {
      if (!closing.aborted) log.error({ command: command.id, ...describeError(error) }, 'no reply')
    })
  }

  const sink: OutputSink = {
    postOutput: async ({ offset, stream, parts }) => {
      const bytes = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
      await post(sealOutput({ offset, stream, bytes }, outbox.postLimitBytes()))
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
    sealResult: async (result) =>
      sealResult(fitResult(result, chunkBytesWithin(outbox.postLimitBytes()))),
    sendResult: async (sealed) => {
      saidMore.abort('said')
      await post(sealed.then((message) => [message]))
    },
  }
}

/** How long the queue is to keep a reply. Pure. */
export function replyTtlSeconds(deadline: Date, now: Date): number {
  const untilDeadline = Math.ceil((deadline.getTime() - now.getTime()) / 1000)
  return Math.min(ttlBounds.most, Math.max(ttlBounds.least, untilDeadline + marginSeconds))
}

interface Output {
  offset: number
  stream: OutputStream
  bytes: Uint8Array
}

function cutOutput({ offset, stream, bytes }: Output, limitBytes: number): Output[] {
  const count = Math.max(1, Math.ceil(bytes.length / limitBytes))
  return Array.from({ length: count }, (_, index) => {
    const from = index * limitBytes
    return { offset: offset + from, stream, bytes: bytes.subarray(from, from + limitBytes) }
  })
}

/** What no POST can carry of a result is left out, and said to be, the least important first. Pure. */
export function fitResult(result: Result, limitBytes: number): Result {
  if (sizeBytes(result) <= limitBytes) return result
  const { answer, reason, rule } = result
  const omitted = 'the answer is too large for one message'
  const hasAnswer = Object.keys(answer).length > 0
  const survivors = result.survivors.slice(0, 100)
  const brief = {
    ...result,
    survivors,
    answer: hasAnswer ? { ...keepShort(answer), omitted } : answer,
  }
  if (sizeBytes(brief) <= limitBytes) return brief
  return {
    ...brief,
    survivors: [],
    answer: hasAnswer ? { omitted } : answer,
    ...(reason && { reason: { ...reason, message: reason.message.slice(0, 100) } }),
    ...(rule !== undefined && { rule: rule.slice(0, 100) }),
  }
}

function sizeBytes(result: Result): number {
  return Buffer.byteLength(JSON.stringify(result))
}

/** Such as the status of an HTTP answer. */
function keepShort(answer: Result['answer']): Result['answer'] {
  const short = Object.entries(answer).filter(([, value]) => isShort(value))
  return Object.fromEntries(short.slice(0, 20))
}

function isShort(value: unknown): boolean {
  return typeof value === 'string'
    ? value.length < 100
    : value === null || typeof value !== 'object'
}
