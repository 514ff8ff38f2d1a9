import { z } from 'zod'
import type { Hello } from '../../protocol/messages/enrolment.ts'
import type { Report } from '../../protocol/messages/reports.ts'
import { readEnvelope, type SealedMessage } from '../../protocol/sealing/envelope.ts'
import {
  MessageMalformedError,
  MessageVersionError,
  SealBrokenError,
} from '../../protocol/sealing/errors.ts'
import { openHello } from '../../protocol/sealing/seal-enrolment.ts'
import { openReply, type Reply } from '../../protocol/sealing/seal-reply.ts'
import { openReport } from '../../protocol/sealing/seal-report.ts'
import type { Context } from '../context.ts'
import { readReplyKey } from '../store/command-secrets.ts'
import { readInstance, readReportKey } from '../store/instances.ts'

/** What a message on a return queue turned out to be. */
export type Opened =
  | { kind: 'reply'; commandId: string; reply: Reply }
  | { kind: 'report'; instanceId: string; report: Report }
  | { kind: 'hello'; hello: Hello }
  | Dropped

/** To be deleted: `reason` is for the log and the counters. */
type Dropped = { kind: 'dropped'; reason: DropReason }

export type DropReason =
  | 'malformed'
  | 'other-version'
  | 'seal-broken'
  /** A type of message that has no business on a return queue. */
  | 'misplaced'
  /** No command of this cluster has this id, or no more replies to it are waited for. */
  | 'unknown-command'
  /** No instance of this cluster has this id. */
  | 'unknown-instance'

/**
 * Opens a message with the one key that can. Anybody may post here: whatever is off is an outcome, no error, so that one
 * message never holds up the others of its batch.
 *
 * @throws whatever the store throws while the key is looked up; the message is to come again.
 */
export async function openMessage(
  context: Context,
  clusterId: string,
  body: unknown,
): Promise<Opened> {
  const message = await orDropped(context, async () => readEnvelope(body))
  if ('kind' in message) return message
  const open = await findOpener(context, clusterId, message)
  return await orDropped(context, open)
}

const CommandId = z.uuid()

/** Looks up the key: all of this may fail for reasons of our own, and nothing after it. */
async function findOpener(
  context: Context,
  clusterId: string,
  message: SealedMessage,
): Promise<() => Promise<Opened>> {
  const { store, keyring } = context
  switch (message.type) {
    case 'sahara-reply': {
      const id = CommandId.safeParse(message.keyId).data
      const replyKey = id === undefined ? undefined : readReplyKey(store, clusterId, id)
      if (id === undefined || !replyKey) return async () => dropped('unknown-command')
      return async () => ({
        kind: 'reply',
        commandId: id,
        reply: await openReply(message, replyKey),
      })
    }
    case 'sahara-report': {
      const instance = readInstance(store, message.keyId)
      const reportKey = instance?.clusterId === clusterId && readReportKey(store, instance.id)
      if (!reportKey) return async () => dropped('unknown-instance')
      return async () => ({
        kind: 'report',
        instanceId: message.keyId,
        report: await openReport(message, reportKey),
      })
    }
    case 'sahara-hello': {
      const { enrolment } = await keyring.keysOf(clusterId)
      return async () => {
        const hello = await openHello(message, enrolment)
        return hello.cluster === clusterId ? { kind: 'hello', hello } : dropped('misplaced')
      }
    }
    case 'sahara-command':
    case 'sahara-input':
    case 'sahara-welcome':
      return async () => dropped('misplaced')
  }
}

/** Works on what a stranger sent: any error is a fault of the message. */
async function orDropped<T>({ log }: Context, open: () => Promise<T>): Promise<T | Dropped> {
  try {
    return await open()
  } catch (error) {
    if (error instanceof MessageVersionError) return dropped('other-version')
    if (error instanceof MessageMalformedError) return dropped('malformed')
    if (error instanceof SealBrokenError) return dropped('seal-broken')
    log.error({ err: error }, 'a message on the return queue fails in a way of its own; dropped')
    return dropped('malformed')
  }
}

function dropped(reason: DropReason): Dropped {
  return { kind: 'dropped', reason }
}
