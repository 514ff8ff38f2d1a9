import { z } from 'zod'
import { type AuditHead, emptyHead, hashLine, parseLine } from './audit-line.ts'
import type { StoredLine } from './read-audit.ts'

/** What the check of a log has found. */
export interface Verification {
  lines: number
  /** The first line that is there; 1 unless older ones were removed to keep within the bound. */
  firstSequence: number | null
  head: AuditHead
  /** The first fault; what comes after it proves nothing. */
  fault: { file: string; lineNumber: number; why: string } | null
  /** A piece of a line at the very end: a crash, or an agent that is just writing. */
  hasTornEnd: boolean
  /** What lines say that is no fault of the chain, and worth a look, by event. */
  notable: Record<string, number>
}

const Removed = z.looseObject({ lastSequence: z.int(), lastHash: z.string() })
const notableEvents: ReadonlySet<string> = new Set(['gap', 'healed', 'damaged', 'removed'])

/**
 * Checks the chain, line by line.
 *
 * @param expected a head that was seen before (the controller shows one): the log must hold that very line.
 */
export async function verifyAudit(
  stored: AsyncIterable<StoredLine>,
  expected?: AuditHead,
): Promise<Verification> {
  const found: Verification = {
    lines: 0,
    firstSequence: null,
    head: emptyHead,
    fault: null,
    hasTornEnd: false,
    notable: {},
  }
  /** The line before the first, where a line is still to say that it was removed. */
  let removed: AuditHead | undefined
  let first: StoredLine | undefined
  let last: StoredLine | undefined
  let hasExpected = expected === undefined || expected.sequence === 0
  for await (const line of stored) {
    if (found.hasTornEnd && last)
      return {
        ...found,
        fault: { ...placeOf(last), why: 'it ends within a line, and another file follows' },
      }
    last = line
    if (!line.isWhole) {
      found.hasTornEnd = true
      continue
    }
    const parsed = parseLine(line.text)
    if (!parsed) return { ...found, fault: { ...placeOf(line), why: 'it is no line of the log' } }
    if (!first) {
      first = line
      found.firstSequence = parsed.seq
      found.head = { sequence: parsed.seq - 1, hash: parsed.previous }
      if (parsed.seq === 1 && parsed.previous !== emptyHead.hash) {
        return {
          ...found,
          fault: { ...placeOf(line), why: 'it is the first, and names a line before it' },
        }
      }
      if (parsed.seq > 1) removed = found.head
    }
    const why = findBreak(parsed, found.head)
    if (why !== null) return { ...found, fault: { ...placeOf(line), why } }
    found.lines += 1
    found.head = { sequence: parsed.seq, hash: hashLine(line.text) }
    if (notableEvents.has(parsed.event)) {
      found.notable[parsed.event] = (found.notable[parsed.event] ?? 0) + 1
    }
    if (parsed.event === 'removed' && removed && tellsOf(parsed, removed)) removed = undefined
    if (expected?.sequence === parsed.seq) {
      if (expected.hash !== found.head.hash) {
        const differs = `line ${parsed.seq} is not the one that was seen before: it has the digest ${found.head.hash}`
        return { ...found, fault: { ...placeOf(line), why: differs } }
      }
      hasExpected = true
    }
  }
  const at = last ?? { file: '(no file)', lineNumber: 0 }
  if (removed && first) {
    const gone = `the lines up to ${removed.sequence} are gone, and no line says that they were removed`
    return { ...found, fault: { ...placeOf(first), why: gone } }
  }
  if (!hasExpected && expected && (found.firstSequence ?? 1) <= expected.sequence) {
    const short = `the log ends at line ${found.head.sequence}, and line ${expected.sequence} was seen before: it was cut short`
    return { ...found, fault: { ...placeOf(at), why: short } }
  }
  // An agent's first line is that it has started.
  if (found.lines === 0) {
    return { ...found, fault: { ...placeOf(at), why: 'there is no line of the log' } }
  }
  return found
}

function findBreak(line: { seq: number; previous: string }, before: AuditHead): string | null {
  if (line.seq !== before.sequence + 1) {
    return `it has the number ${line.seq}, and follows ${before.sequence}`
  }
  if (line.previous === before.hash) return null
  return `the line before it (${before.sequence}) is not the one that was there when it was written`
}

function tellsOf(line: unknown, { sequence, hash }: AuditHead): boolean {
  const told = Removed.safeParse(line)
  return told.success && told.data.lastSequence === sequence && told.data.lastHash === hash
}

function placeOf({ file, lineNumber }: Pick<StoredLine, 'file' | 'lineNumber'>) {
  return { file, lineNumber }
}
