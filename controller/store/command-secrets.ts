import { z } from 'zod'
import { Command } from '../../protocol/messages/command.ts'
import { Blob } from './database.ts'
import type { Store } from './open-store.ts'

/** The whole command, to be sealed to its agent; kept until it has ended. */
export function readRequest({ database, key }: Store, id: string): Command | undefined {
  const row = database.get(RequestRow, `SELECT sealed_request FROM commands WHERE id = :id`, { id })
  if (!row?.sealed_request) return undefined
  const text = new TextDecoder().decode(key.open(row.sealed_request, requestPlace(id)))
  return Command.parse(JSON.parse(text))
}

/** The key of the replies to a cluster's command; kept until no more of them are waited for. */
export function readReplyKey(
  { database, key }: Store,
  clusterId: string,
  id: string,
): Uint8Array | undefined {
  const row = database.get(
    ReplyKeyRow,
    `SELECT sealed_reply_key FROM commands WHERE id = :id AND cluster_id = :clusterId`,
    { id, clusterId },
  )
  return row?.sealed_reply_key ? key.open(row.sealed_reply_key, replyKeyPlace(id)) : undefined
}

const RequestRow = z.object({ sealed_request: Blob.nullable() })
const ReplyKeyRow = z.object({ sealed_reply_key: Blob.nullable() })

/** Both as they go into the database. */
export function sealSecrets(
  { key }: Pick<Store, 'key'>,
  command: Command,
): { sealedRequest: Uint8Array; sealedReplyKey: Uint8Array } {
  const text = new TextEncoder().encode(JSON.stringify(z.encode(Command, command)))
  return {
    sealedRequest: key.seal(text, requestPlace(command.id)),
    sealedReplyKey: key.seal(command.replyKey, replyKeyPlace(command.id)),
  }
}

function requestPlace(id: string): string {
  return `commands.sealed_request:${id}`
}

function replyKeyPlace(id: string): string {
  return `commands.sealed_reply_key:${id}`
}
