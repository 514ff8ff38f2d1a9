import { type Input, openInput } from '../../protocol/sealing/seal-input.ts'
import type { HeldCommand } from '../lanes/held-command.ts'
import { describeError } from '../log.ts'
import type { Opened } from './open-message.ts'
import type { TakeParts } from './take-batch.ts'

type SealedInput = Extract<Opened, { kind: 'input' }>

/**
 * Puts chunks of content where they belong.
 *
 * @returns the messages that may be acknowledged: those on disk, and those that nobody waits for any more. A chunk whose
 * command is not known stays: its command may be hidden by a claim from before a crash, and both come back.
 */
export async function storeInputs(
  inputs: readonly SealedInput[],
  parts: TakeParts,
): Promise<string[]> {
  const acknowledged: string[] = []
  const byCommand = Map.groupBy(inputs, ({ sealed }) => sealed.keyId)
  for (const [id, chunks] of byCommand) {
    const held = parts.desk.get(id)
    if (held?.receiver) {
      acknowledged.push(...(await storeChunks(held, held.receiver, chunks, parts)))
    } else if (held || parts.journal.find(id)) {
      // It has ended, or wants no content.
      acknowledged.push(...chunks.map(({ messageId }) => messageId))
    } else {
      parts.log.debug({ command: id }, 'content of a command that is not known yet is left')
    }
  }
  return acknowledged
}

async function storeChunks(
  { command }: HeldCommand,
  receiver: NonNullable<HeldCommand['receiver']>,
  chunks: readonly SealedInput[],
  { progress, reporter, log }: TakeParts,
): Promise<string[]> {
  const opened: Input[] = []
  const ids = chunks.map(({ messageId }) => messageId)
  for (const { sealed } of chunks) {
    try {
      opened.push(await openInput(sealed, command.replyKey))
    } catch (error) {
      const { error: why } = describeError(error)
      reporter.alert('content-seal-broken', `content for command ${command.id}: ${why}`)
    }
  }
  try {
    await receiver.store(opened)
  } catch (error) {
    // The command ends for it (`ContentReceiver.whole`), and its answer says why.
    log.error({ command: command.id, ...describeError(error) }, 'its content cannot be stored')
    return []
  }
  progress(command, receiver.contiguousBytes())
  return ids
}
