import { z } from 'zod'
import type { Envelope, SealedMessage } from './envelope.ts'
import { MessageMalformedError } from './errors.ts'
import { openUnderKey, sealUnderKey } from './shared-key-seal.ts'

/** A piece of a command's content, on its way to the instance. */
export interface Input {
  /** Where the piece belongs in the content. */
  offset: number
  bytes: Uint8Array
}

/** Seals a piece of a command's content under the command's reply key; its type keeps it apart from replies under that key. */
export async function sealInput(
  input: Input,
  command: { id: string; replyKey: Uint8Array },
): Promise<Envelope> {
  const placement = {
    type: 'sahara-input',
    keyId: command.id,
    place: { offset: input.offset },
  } as const
  return await sealUnderKey(input.bytes, placement, command.replyKey)
}

/** @throws {SealBrokenError | MessageMalformedError} */
export async function openInput(message: SealedMessage, replyKey: Uint8Array): Promise<Input> {
  const bytes = await openUnderKey(message, replyKey)
  const place = z.looseObject({ offset: z.int().min(0) }).safeParse(message.header)
  if (!place.success) throw new MessageMalformedError('the input does not say its offset')
  return { offset: place.data.offset, bytes }
}
