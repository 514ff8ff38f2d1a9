import type { z } from 'zod'
import { Accepted, Progress, ReplyPlace, Result } from '../messages/replies.ts'
import type { Envelope, SealedMessage } from './envelope.ts'
import { MessageMalformedError } from './errors.ts'
import { readPayload, writePayload } from './parse-payload.ts'
import { openUnderKey, sealUnderKey } from './shared-key-seal.ts'

/** A reply to a command: JSON for all kinds but `output`, whose payload is the raw bytes. */
export type Reply =
  | { kind: 'accepted'; accepted: Accepted }
  | { kind: 'progress'; progress: Progress }
  | { kind: 'output'; offset: number; stream: 'stdout' | 'stderr' | 'content'; bytes: Uint8Array }
  | { kind: 'result'; result: Result }

type Accepted = z.output<typeof Accepted>
type Progress = z.output<typeof Progress>

/** Seals a reply under its command's reply key. Only the instance that could open the command knows that key. */
export async function sealReply(
  reply: Reply,
  command: { id: string; replyKey: Uint8Array },
): Promise<Envelope> {
  const place =
    reply.kind === 'output'
      ? { kind: reply.kind, offset: reply.offset, stream: reply.stream }
      : { kind: reply.kind }
  const placement = { type: 'sahara-reply', keyId: command.id, place } as const
  return await sealUnderKey(writeReply(reply), placement, command.replyKey)
}

/**
 * Opens a reply whose `message.keyId` names the command of `replyKey`.
 *
 * @throws {SealBrokenError | MessageVersionError | MessageMalformedError}
 */
export async function openReply(message: SealedMessage, replyKey: Uint8Array): Promise<Reply> {
  const payload = await openUnderKey(message, replyKey)
  const place = ReplyPlace.safeParse(message.header)
  if (!place.success) throw new MessageMalformedError('the reply is of a kind that is not known')
  switch (place.data.kind) {
    case 'accepted':
      return { kind: 'accepted', accepted: readPayload(Accepted, payload) }
    case 'progress':
      return { kind: 'progress', progress: readPayload(Progress, payload) }
    case 'result':
      return { kind: 'result', result: readPayload(Result, payload) }
    case 'output': {
      const { kind, offset, stream } = place.data
      return { kind, offset, stream, bytes: payload }
    }
  }
}

function writeReply(reply: Reply): Uint8Array {
  switch (reply.kind) {
    case 'accepted':
      return writePayload(Accepted, reply.accepted)
    case 'progress':
      return writePayload(Progress, reply.progress)
    case 'result':
      return writePayload(Result, reply.result)
    case 'output':
      return reply.bytes
  }
}
