import { createReadStream, readFileSync } from 'node:fs'
import { listSegments } from './segments.ts'

/** A line as it stands in a file. */
export interface StoredLine {
  file: string
  /** From 1 on. */
  lineNumber: number
  text: string
  /** False for a piece at the end of a file, as a crash leaves it, or as an agent that is just writing. */
  isWhole: boolean
}

/** All lines of the log, the oldest first. Does not judge them. */
export async function* readAudit(directory: string): AsyncGenerator<StoredLine> {
  for (const { path } of listSegments(directory)) {
    let lineNumber = 0
    for await (const { text, isWhole } of splitLines(createReadStream(path))) {
      lineNumber += 1
      yield { file: path, lineNumber, text, isWhole }
    }
  }
}

/** The last line of a file, or the empty text. */
export function lastLineOf(path: string): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').at(-1) ?? ''
}

/** So long a line is none of ours; it is given in pieces, in bytes. */
const pieceLimitBytes = 1024 * 1024

async function* splitLines(
  blocks: AsyncIterable<unknown>,
): AsyncGenerator<{ text: string; isWhole: boolean }> {
  let rest = Buffer.alloc(0)
  for await (const block of blocks) {
    if (!Buffer.isBuffer(block)) continue
    rest = Buffer.concat([rest, block])
    let start = 0
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a, start)) {
      yield { text: rest.toString('utf8', start, end), isWhole: true }
      start = end + 1
    }
    rest = rest.subarray(start)
    if (rest.length <= pieceLimitBytes) continue
    yield { text: rest.toString('utf8'), isWhole: true }
    rest = Buffer.alloc(0)
  }
  if (rest.length > 0) yield { text: rest.toString('utf8'), isWhole: false }
}
