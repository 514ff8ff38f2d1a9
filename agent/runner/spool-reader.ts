import { type FileHandle, open } from 'node:fs/promises'
import { SaharaAgentError } from '../../protocol/errors.ts'
import type { OutputChunk } from '../operations/operation.ts'
import { decodeFrame, frameHeaderBytes, framePayloadLimitBytes } from './spool-frame.ts'
import { listSegments, segmentPath } from './spool-segments.ts'

/** Output that was asked for is no longer there, or damaged: it cannot be sent, and the command's output has a hole. */
export class SpoolBrokenError extends SaharaAgentError {
  readonly code = 'ERR_SPOOL_BROKEN'
  readonly offset: number

  constructor(directory: string, offset: number, options?: ErrorOptions) {
    super(
      `output from byte ${offset} on cannot be read in "${directory}": it was discarded, or the disk damaged it; run the command again`,
      options,
    )
    this.offset = offset
  }
}

/**
 * The output in a command's directory from `fromOffset` on. Whenever all that is known was given, `untilMore(offset)`
 * is asked: it resolves to the new end of what is written, or to null when no more will come.
 *
 * @throws {SpoolBrokenError} bytes below the known end are missing or damaged; never made up.
 */
export async function* readSpool(
  directory: string,
  fromOffset: number,
  untilMore: (offset: number) => Promise<number | null>,
): AsyncGenerator<OutputChunk, void, void> {
  let offset = fromOffset
  await using segment = openSegments(directory)
  for (let end = await untilMore(offset); end !== null; end = await untilMore(offset)) {
    while (offset < end) {
      const chunks = await segment.read(offset)
      for (const chunk of chunks) {
        yield chunk
        offset = chunk.offset + chunk.bytes.length
      }
    }
  }
}

/** How far the spool of a command holds whole, undamaged frames; what follows a damaged one does not count. */
export async function findSpoolEnd(directory: string): Promise<number> {
  const last = (await listSegments(directory)).at(-1)
  if (last === undefined) return 0
  let offset = last
  await using segment = openSegments(directory)
  for (;;) {
    try {
      for (const chunk of await segment.read(offset)) offset = chunk.offset + chunk.bytes.length
    } catch (error) {
      if (error instanceof SpoolBrokenError) return offset
      throw error
    }
  }
}

/** Large enough for any frame, and for many small ones at one read. */
const readBytes = 2 * (frameHeaderBytes + framePayloadLimitBytes)

interface SegmentReader extends AsyncDisposable {
  /** The frames from `offset` on that one read finds, at least one. */
  read: (offset: number) => Promise<OutputChunk[]>
}

function openSegments(directory: string): SegmentReader {
  let file: FileHandle | undefined
  let position = 0
  /** Offset of the output at `position`. */
  let reached = -1

  const openAt = async (start: number) => {
    await file?.close()
    file = undefined
    position = 0
    reached = start
    file = await open(segmentPath(directory, start), 'r')
  }

  const enter = async (offset: number) => {
    const start = (await listSegments(directory)).findLast((candidate) => candidate <= offset)
    if (start === undefined) throw new SpoolBrokenError(directory, offset)
    await openAt(start)
  }

  const readFrames = async (): Promise<OutputChunk[]> => {
    const { size } = (await file?.stat()) ?? { size: 0 }
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(readBytes, size - position)))
    const { bytesRead } = (await file?.read(buffer, 0, buffer.length, position)) ?? { bytesRead: 0 }
    const chunks: OutputChunk[] = []
    let at = 0
    for (;;) {
      const frame = decodeFrame(buffer.subarray(0, bytesRead), at)
      if (frame === undefined) break
      chunks.push({ offset: reached, ...frame })
      reached += frame.bytes.length
      at += frameHeaderBytes + frame.bytes.length
    }
    position += at
    return chunks
  }

  return {
    read: async (offset) => {
      try {
        if (file === undefined || offset !== reached) await enter(offset)
        for (;;) {
          let chunks = await readFrames()
          if (chunks.length === 0) {
            // The next segment begins exactly where this one ends; anything else is a hole.
            await openAt(reached)
            chunks = await readFrames()
          }
          if (chunks.length === 0) throw new SpoolBrokenError(directory, offset)
          const wanted = chunks.flatMap((chunk) => cutBelow(chunk, offset))
          if (wanted.length > 0) return wanted
        }
      } catch (cause) {
        if (cause instanceof SpoolBrokenError) throw cause
        throw new SpoolBrokenError(directory, offset, { cause })
      }
    },
    [Symbol.asyncDispose]: async () => {
      await file?.close()
    },
  }
}

function cutBelow(chunk: OutputChunk, offset: number): OutputChunk[] {
  const skip = offset - chunk.offset
  if (skip <= 0) return [chunk]
  if (skip >= chunk.bytes.length) return []
  return [{ ...chunk, offset, bytes: chunk.bytes.subarray(skip) }]
}
