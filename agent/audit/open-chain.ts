import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
} from 'node:fs'
import { type AuditEntry, type AuditHead, emptyHead, hashLine, parseLine } from './audit-line.ts'
import { listSegments, type Segment } from './segments.ts'

/** Where the chain goes on, and what was found amiss there. */
export interface ChainEnd {
  head: AuditHead
  /** The file to go on with; null: begin a new one. */
  path: string | null
  size: number
  /** To be written first. */
  findings: readonly AuditEntry[]
}

/** So much of a file's end holds more than one line. */
const tailBytes = 64 * 1024

/**
 * Finds the end of the chain. A piece of a line after the last line feed is what a crash leaves: it was no line yet, and is
 * cut off. A file that is empty then was begun in vain, and is removed.
 */
export function openChain(directory: string): ChainEnd {
  const findings: AuditEntry[] = []
  for (const segment of listSegments(directory).toReversed()) {
    const { text, size, torn } = cutTornLine(segment)
    if (torn) findings.push(torn)
    if (size === 0) {
      unlinkSync(segment.path)
      continue
    }
    const head = findHead(text.split('\n'), segment)
    if (head.isDamaged) findings.push({ event: 'damaged', file: segment.path })
    const { sequence, hash } = head
    return { head: { sequence, hash }, path: segment.path, size, findings }
  }
  return { head: emptyHead, path: null, size: 0, findings }
}

/** The whole lines at a file's end, without the last line feed. */
function cutTornLine({ path }: Segment): { text: string; size: number; torn: AuditEntry | null } {
  const file = openSync(path, 'r+')
  try {
    const { size } = fstatSync(file)
    const tail = readTail(file, size)
    const end = tail.lastIndexOf(0x0a) + 1
    const text = tail.subarray(0, Math.max(0, end - 1)).toString('utf8')
    const piece = tail.subarray(end)
    if (piece.length === 0) return { text, size, torn: null }
    ftruncateSync(file, size - piece.length)
    fsyncSync(file)
    const torn = { event: 'healed', bytes: piece.length, sha256: hashLine(piece) } as const
    return { text, size: size - piece.length, torn }
  } finally {
    closeSync(file)
  }
}

function readTail(file: number, size: number): Buffer {
  const tail = Buffer.alloc(Math.min(size, tailBytes))
  let length = 0
  while (length < tail.length) {
    const count = readSync(file, tail, length, tail.length - length, size - tail.length + length)
    if (count === 0) break
    length += count
  }
  return tail.subarray(0, length)
}

/** The last line; where something else stands in its place, the number that it would have. */
function findHead(
  lines: readonly string[],
  { firstSequence }: Segment,
): AuditHead & { isDamaged: boolean } {
  const text = lines.at(-1) ?? ''
  const parsed = parseLine(text)
  if (parsed) return { sequence: parsed.seq, hash: hashLine(text), isDamaged: false }
  const known = lines.findLastIndex((line) => parseLine(line) !== undefined)
  const before = parseLine(lines[known] ?? '')?.seq ?? firstSequence - 1
  return { sequence: before + lines.length - 1 - known, hash: hashLine(text), isDamaged: true }
}
