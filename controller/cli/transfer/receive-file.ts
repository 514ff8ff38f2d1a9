import type { CommandRecord } from '../../api/resources.ts'
import { TransferCorruptError, TransferFailedError } from '../errors.ts'
import { describeEnd } from '../output/describe-command.ts'
import type { Following } from '../watch/follow-command.ts'
import { followBytes, followToEnd } from '../watch/follow-command.ts'
import { sentDigest } from './announced-digest.ts'
import { createFileDigest } from './file-digest.ts'

/**
 * Takes the bytes of a running `read` to `write`, and compares them with what the instance says that it sent.
 *
 * @returns the command's last record; its bytes may be kept now.
 * @throws {TransferFailedError} the instance did not read the file.
 * @throws {TransferCorruptError} other bytes came than were sent, or nobody says which were.
 */
export async function receiveFile(
  following: Following,
  { id, instance }: CommandRecord,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<CommandRecord> {
  const digest = createFileDigest()
  for await (const bytes of followBytes(following, id, 'content')) {
    digest.add(bytes)
    await write(bytes)
  }
  const { value: command } = await followToEnd(following, id)
  if (command.state !== 'succeeded') {
    throw new TransferFailedError(`${instance}: ${describeEnd(command)} (command ${id})`)
  }
  const [came, sent] = [digest.finish(), sentDigest(command)]
  if (came.size !== sent.size || came.sha256 !== sent.sha256) {
    throw new TransferCorruptError(
      `${instance}: ${came.size} bytes came with SHA-256 ${came.sha256}, but ${sent.size ?? '?'} were sent ` +
        `with ${sent.sha256 ?? 'none'} (command ${id}); try again`,
    )
  }
  return command
}
