import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/** Default size at which the spool begins a new segment: what is discarded, is discarded in such pieces. */
export const segmentBytes = 4 * 1024 * 1024

/** Where the segment lies whose first byte of output has this offset (all streams counted together). */
export function segmentPath(directory: string, offset: number): string {
  return join(directory, `output-${offset}`)
}

/** The offsets at which the segments of a command's directory begin, in order; none when the directory is gone. */
export async function listSegments(directory: string): Promise<number[]> {
  let names: string[]
  try {
    names = await readdir(directory)
  } catch {
    return []
  }
  return names
    .flatMap((name) => /^output-(\d{1,16})$/.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => a - b)
}

/** Deletes the segments that end at or below `belowOffset`; never the last one, which may still grow. */
export async function deleteSegments(directory: string, belowOffset: number): Promise<void> {
  const starts = await listSegments(directory)
  for (const [index, start] of starts.entries()) {
    const end = starts[index + 1]
    if (end === undefined || end > belowOffset) return
    await unlink(segmentPath(directory, start)).catch(() => {})
  }
}
