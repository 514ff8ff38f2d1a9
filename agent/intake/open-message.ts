import type { Command } from '../../protocol/messages/command.ts'
import { readEnvelope, type SealedMessage } from '../../protocol/sealing/envelope.ts'
import { MessageVersionError, SealBrokenError } from '../../protocol/sealing/errors.ts'
import type { Key } from '../../protocol/sealing/keys.ts'
import { openCommand } from '../../protocol/sealing/seal-command.ts'
import type { ClaimedMessage } from '../../protocol/zaqar/claims.ts'
import { describeError } from '../log.ts'

/** What a claimed message turned out to be. */
export type Opened =
  | { kind: 'command'; messageId: string; command: Command }
  /** A chunk of content, still sealed: only its command's reply key opens it. */
  | { kind: 'input'; messageId: string; sealed: SealedMessage }
  | { kind: 'unusable'; messageId: string; reason: UnusableReason; why: string }

export type UnusableReason = 'seal-broken' | 'other-version' | 'malformed' | 'other-type'

/** Opens one message. What is wrong with it is a value: anyone who can post can post garbage. */
export async function openMessage(
  { id: messageId, body }: Pick<ClaimedMessage, 'id' | 'body'>,
  keys: { cluster: Key; agent: Key },
): Promise<Opened> {
  try {
    const sealed = readEnvelope(body)
    if (sealed.type === 'sahara-input') return { kind: 'input', messageId, sealed }
    if (sealed.type === 'sahara-command') {
      return { kind: 'command', messageId, command: await openCommand(sealed, keys) }
    }
    const why = `a ${sealed.type} does not belong on a command queue`
    return { kind: 'unusable', messageId, reason: 'other-type', why }
  } catch (error) {
    const { error: why } = describeError(error)
    return { kind: 'unusable', messageId, reason: reasonOf(error), why }
  }
}

function reasonOf(error: unknown): UnusableReason {
  if (error instanceof SealBrokenError) return 'seal-broken'
  return error instanceof MessageVersionError ? 'other-version' : 'malformed'
}
