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
import { readCommand } from '../store/commands.ts'
import { readInstance, readReportKey } from '../store/instances.ts'

/** What a message on a return queue turned out to be. */
export type Opened =
  | { kind: 'reply'; commandId: string; reply: Reply }
  | { kind: 'report'; instanceId: string; report: Report }
  | { kind: 'hello'; hello: Hello }
  /** To be deleted: `reason` is for the log and the counters. */
  | { kind: 'dropped'; reason: DropReason }

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

/** Opens a message with the one key that can. Anybody may post here: whatever is off is an outcome, no error. */
export async function openMessage(
  context: Context,
  clusterId: string,
  body: unknown,
): Promise<Opened> {
  try {
    return await openSealed(context, clusterId, readEnvelope(body))
  } catch (error) {
    if (error instanceof MessageVersionError) return { kind: 'dropped', reason: 'other-version' }
    if (error instanceof MessageMalformedError) return { kind: 'dropped', reason: 'malformed' }
    if (error instanceof SealBrokenError) return { kind: 'dropped', reason: 'seal-broken' }
    throw error
  }
}

async function openSealed(
  context: Context,
  clusterId: string,
  message: SealedMessage,
): Promise<Opened> {
  const { store, keyring } = context
  switch (message.type) {
    case 'sahara-reply': {
      const id = z.uuid().safeParse(message.keyId).data
      const replyKey = id === undefined ? undefined : replyKeyOf(context, clusterId, id)
      if (id === undefined || !replyKey) return { kind: 'dropped', reason: 'unknown-command' }
      return { kind: 'reply', commandId: id, reply: await openReply(message, replyKey) }
    }
    case 'sahara-report': {
      const instance = readInstance(store, message.keyId)
      const reportKey = instance?.clusterId === clusterId && readReportKey(store, instance.id)
      if (!reportKey) return { kind: 'dropped', reason: 'unknown-instance' }
      const report = await openReport(message, reportKey)
      return { kind: 'report', instanceId: message.keyId, report }
    }
    case 'sahara-hello': {
      const { enrolment } = await keyring.keysOf(clusterId)
      const hello = await openHello(message, enrolment)
      if (hello.cluster !== clusterId) return { kind: 'dropped', reason: 'misplaced' }
      return { kind: 'hello', hello }
    }
    case 'sahara-command':
    case 'sahara-input':
    case 'sahara-welcome':
      return { kind: 'dropped', reason: 'misplaced' }
  }
}

function replyKeyOf({ store }: Context, clusterId: string, commandId: string) {
  if (readCommand(store, commandId)?.clusterId !== clusterId) return undefined
  return readReplyKey(store, commandId)
}
