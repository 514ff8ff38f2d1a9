import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** A file of the log, named after the number of its first line. */
export interface Segment {
  path: string
  firstSequence: number
}

/** The files of a log, the oldest first; none when the directory does not exist. */
export function listSegments(directory: string): Segment[] {
  return readNames(directory)
    .filter((name) => /^\d{16}\.jsonl$/.test(name))
    .toSorted()
    .map((name) => ({ path: join(directory, name), firstSequence: Number(name.slice(0, 16)) }))
}

export function segmentPath(directory: string, firstSequence: number): string {
  return join(directory, `${String(firstSequence).padStart(16, '0')}.jsonl`)
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
