import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Instant, Sha256 } from '../../protocol/messages/wire-types.ts'
import { cutText, digestOf } from './cut-text.ts'

/**
 * What a line tells of.
 *
 * | event | meaning |
 * | --- | --- |
 * | started | the agent began to write, after a start |
 * | policy | the policy was read |
 * | received | a command came whose signature holds |
 * | observed | the policy would have refused it, and only observes |
 * | begun | it is about to take effect |
 * | refused | it did not take effect: `reason`, and the policy's `rule` where that refused it |
 * | ended | how it ended |
 * | dropped | a message was thrown away unanswered |
 * | gap | lines before this one could not be written |
 * | healed | the file ended within a line, as a crash leaves it; that piece was cut off |
 * | damaged | what stood there when the agent started was no line of its own |
 * | removed | the oldest file was removed, to keep within the bound |
 */
export const AuditEvent = z.enum([
  'started',
  'policy',
  'received',
  'observed',
  'begun',
  'refused',
  'ended',
  'dropped',
  'gap',
  'healed',
  'damaged',
  'removed',
])
export type AuditEvent = z.output<typeof AuditEvent>

/** One line. Each holds the digest of the line before it, so that none can be changed, left out or moved unnoticed. */
export const AuditLine = z.looseObject({
  /** From 1 on, without a hole. */
  seq: z.int().min(1),
  /** By the guest's clock. */
  at: Instant,
  /** SHA-256 of the line before, without its line feed. */
  previous: Sha256,
  event: AuditEvent,
  command: z.exactOptional(z.string()),
})
export type AuditLine = z.output<typeof AuditLine>

/** What a line says beside its place in the chain. */
export type AuditEntry = { event: AuditEvent } & Readonly<Record<string, unknown>>

/** The newest line: its number and its digest. Who remembers it notices when the log is cut short or changed. */
export type AuditHead = { sequence: number; hash: string }

/** Stands before the first line. */
export const emptyHead: AuditHead = { sequence: 0, hash: '0'.repeat(64) }

/** A longer line is shortened, in bytes: what is long in it is named by its beginning, its size and its SHA-256. */
export const lineLimitBytes = 16 * 1024

export function hashLine(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Writes a line's text, without its line feed. Pure. */
export function writeLine(head: AuditHead, at: Date, entry: AuditEntry): string {
  const place = { seq: head.sequence + 1, at: at.toISOString(), previous: head.hash }
  const text = JSON.stringify({ ...place, ...entry })
  if (Buffer.byteLength(text) < lineLimitBytes) return text
  const short = Object.entries(entry).map(([name, value]) => [name, shorten(value)])
  return JSON.stringify({ ...place, ...Object.fromEntries(short), shortened: true })
}

/** Longer values of a line that is too long are shortened, in bytes of JSON; what `cutText` has cut is not cut again. */
const valueLimitBytes = 400

function shorten(value: unknown): unknown {
  const json = JSON.stringify(value) ?? ''
  if (Buffer.byteLength(json) <= valueLimitBytes) return value
  return typeof value === 'string' ? cutText(value) : digestOf(json)
}

/** Undefined for what is no line of ours. */
export function parseLine(text: string): AuditLine | undefined {
  try {
    return AuditLine.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
