import { Command } from '../messages/command.ts'
import type { Envelope, SealedMessage } from './envelope.ts'
import type { Key } from './keys.ts'
import { readPayload, writePayload } from './parse-payload.ts'
import { openLetter, sealLetter } from './signed-letter.ts'

/** Signs a command with the cluster's key and seals it to its agent's. */
export async function sealCommand(
  command: Command,
  keys: { cluster: Key; agent: Key },
): Promise<Envelope> {
  return await sealLetter('sahara-command', writePayload(Command, command), {
    signer: keys.cluster,
    reader: keys.agent,
  })
}

/**
 * Opens a command. That it is for this instance, in time and new is for the caller to judge.
 *
 * @throws {SealBrokenError} not sealed to this agent, or not signed by its cluster.
 * @throws {MessageVersionError} signed by a controller of another version.
 * @throws {MessageMalformedError} it breaks the schema.
 */
export async function openCommand(
  message: SealedMessage,
  keys: { cluster: Key; agent: Key },
): Promise<Command> {
  return readPayload(Command, await openLetter(message, keys.agent, async () => keys.cluster))
}
