import { Report } from '../messages/reports.ts'
import type { Envelope, SealedMessage } from './envelope.ts'
import { readPayload, writePayload } from './parse-payload.ts'
import { openUnderKey, sealUnderKey } from './shared-key-seal.ts'

/** Seals what an agent says unasked, under the report key that its welcome brought. */
export async function sealReport(
  report: Report,
  instance: { id: string; reportKey: Uint8Array },
): Promise<Envelope> {
  const placement = { type: 'sahara-report', keyId: instance.id } as const
  return await sealUnderKey(writePayload(Report, report), placement, instance.reportKey)
}

/** @throws {SealBrokenError | MessageVersionError | MessageMalformedError} */
export async function openReport(message: SealedMessage, reportKey: Uint8Array): Promise<Report> {
  return readPayload(Report, await openUnderKey(message, reportKey))
}
