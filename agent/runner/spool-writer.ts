import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import type { OutputStream, Result } from '../../protocol/messages/replies.ts'
import { createOutputTail } from './output-tail.ts'
import { encodeFrameHeader, framePayloadLimitBytes } from './spool-frame.ts'
import { segmentPath } from './spool-segments.ts'

export interface SpoolOptions {
  /** The command's own directory. */
  directory: string
  /** Undiscarded bytes at which the spool calls itself full, so that whoever reads the pipes stops. */
  limitBytes: number
  segmentBytes: number
  /**
   * How much of the whole output is kept: so much of its beginning, and then the end. What lies between is counted and
   * digested, and dropped. Without it all is kept.
   */
  keep?: { headBytes: number; tailBytes: number }
  /** Bytes up to `offset` (all streams together) can be read from the files. */
  onWritten: (offset: number) => void
  /** There is room again after `isFull()`. */
  onRoom: () => void
  /** A file could not be written; from here on bytes are counted and dropped. Called once. */
  onFailure: (error: unknown) => void
}

/** Writes a command's output into framed segments, in the order in which it comes, and digests each stream. */
export interface SpoolWriter {
  append: (stream: OutputStream, bytes: Uint8Array) => void
  /** No more should be read for now: too much waits to be written, or to be discarded. */
  isFull: () => boolean
  /** Bytes below are no longer counted against the limit; whoever read them deletes the files. */
  discard: (belowOffset: number) => void
  /** Lets `bytes` more in than the limit says, for what was already in a pipe when its writer ended. */
  allowMore: (bytes: number) => void
  /** Up to where it can be read. */
  written: () => number
  /** Resolves when all was written (or dropped) and the file is closed; nothing is appended after it. */
  finish: () => Promise<Pick<Result, 'outputBytes' | 'streams'>>
}

/** Bytes that may wait in memory for the disk. */
const queueLimitBytes = 1024 * 1024

interface StreamTally {
  hash: Hash
  size: number
  kept: number
}

export function createSpoolWriter(options: SpoolOptions): SpoolWriter {
  let queue: { stream: OutputStream; bytes: Uint8Array }[] = []
  let queuedBytes = 0
  let writtenOffset = 0
  let discardedOffset = 0
  let limitBytes = options.limitBytes
  let wasFull = false
  let hasFailed = false
  let flushing: Promise<void> | undefined
  let finishing: ReturnType<SpoolWriter['finish']> | undefined
  const tallies = new Map<OutputStream, StreamTally>()
  const segments = createSegmentFile(options)
  const tail = createOutputTail(options.keep?.tailBytes ?? 1)
  let headLeft = options.keep?.headBytes ?? Number.POSITIVE_INFINITY

  const isFull = () =>
    !hasFailed &&
    (queuedBytes > queueLimitBytes || writtenOffset + queuedBytes - discardedOffset >= limitBytes)

  const tellOfRoom = () => {
    if (!wasFull || isFull()) return
    wasFull = false
    options.onRoom()
  }

  const fail = (error: unknown) => {
    hasFailed = true
    queue = []
    queuedBytes = 0
    options.onFailure(error)
  }

  const writeBatch = async () => {
    const batch = queue
    const batchBytes = queuedBytes
    queue = []
    await segments.write(toFrames(batch), batchBytes)
    queuedBytes -= batchBytes
    writtenOffset += batchBytes
    for (const { stream, bytes } of batch) tally(tallies, stream).kept += bytes.length
    options.onWritten(writtenOffset)
  }

  // What comes while a write is under way goes into the next one together: small reads coalesce, and none waits.
  const flush = async () => {
    while (queue.length > 0) {
      try {
        await writeBatch()
      } catch (error) {
        fail(error)
      }
      tellOfRoom()
    }
    flushing = undefined
  }

  const enqueue = (stream: OutputStream, bytes: Uint8Array) => {
    if (hasFailed || bytes.length === 0) return
    queue.push({ stream, bytes })
    queuedBytes += bytes.length
    flushing ??= flush()
  }

  const finish = async () => {
    // The limit does not count for the tail: nothing more comes after it.
    for (const { stream, bytes } of tail.take()) enqueue(stream, bytes)
    await flushing
    await segments.close()
    return { outputBytes: writtenOffset, streams: summarize(tallies) }
  }

  return {
    append: (stream, bytes) => {
      const counted = tally(tallies, stream)
      counted.hash.update(bytes)
      counted.size += bytes.length
      const head = bytes.subarray(0, headLeft)
      headLeft -= head.length
      enqueue(stream, head)
      if (head.length < bytes.length) tail.add(stream, bytes.subarray(head.length))
    },
    isFull: () => {
      wasFull = isFull()
      return wasFull
    },
    discard: (belowOffset) => {
      discardedOffset = Math.max(discardedOffset, belowOffset)
      tellOfRoom()
    },
    allowMore: (bytes) => {
      limitBytes += bytes
      tellOfRoom()
    },
    written: () => writtenOffset,
    finish: async () => (finishing ??= finish()),
  }
}

interface SegmentFile {
  write: (frames: Uint8Array[], payloadBytes: number) => Promise<void>
  close: () => Promise<void>
}

/** The file that grows now. A write that fails leaves no half frame behind where that can be helped. */
function createSegmentFile(options: SpoolOptions): SegmentFile {
  let file: FileHandle | undefined
  let fileBytes = 0
  let offset = 0
  return {
    write: async (frames, payloadBytes) => {
      if (file !== undefined && fileBytes >= options.segmentBytes) {
        await file.close()
        file = undefined
      }
      if (file === undefined) {
        file = await open(segmentPath(options.directory, offset), 'w', 0o600)
        fileBytes = 0
      }
      try {
        fileBytes += await writeWhole(file, frames)
      } catch (error) {
        await file.truncate(fileBytes).catch(() => {})
        throw error
      }
      offset += payloadBytes
    },
    close: async () => {
      await file?.close()
    },
  }
}

/** A full disk takes a part and only then says so: `writev` may return less than it was given. */
async function writeWhole(file: FileHandle, pieces: Uint8Array[]): Promise<number> {
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0)
  // Few pieces go as they are; many small ones are cheaper as one.
  const { bytesWritten } =
    pieces.length > 64 ? await file.write(Buffer.concat(pieces, total)) : await file.writev(pieces)
  for (let done = bytesWritten; done < total; ) {
    const rest = Buffer.concat(pieces, total).subarray(done)
    done += (await file.write(rest)).bytesWritten
  }
  return total
}

/** Neighbours of one stream share a frame, up to its limit. */
function toFrames(batch: readonly { stream: OutputStream; bytes: Uint8Array }[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let run: Uint8Array[] = []
  let runBytes = 0
  let runStream: OutputStream = 'stdout'
  const closeRun = () => {
    if (runBytes > 0) pieces.push(encodeFrameHeader(runStream, run), ...run)
    run = []
    runBytes = 0
  }
  for (const { stream, bytes } of batch) {
    for (let at = 0; at < bytes.length; at += framePayloadLimitBytes) {
      const piece = bytes.subarray(at, at + framePayloadLimitBytes)
      if (stream !== runStream || runBytes + piece.length > framePayloadLimitBytes) closeRun()
      runStream = stream
      run.push(piece)
      runBytes += piece.length
    }
  }
  closeRun()
  return pieces
}

function tally(tallies: Map<OutputStream, StreamTally>, stream: OutputStream): StreamTally {
  const found = tallies.get(stream) ?? { hash: createHash('sha256'), size: 0, kept: 0 }
  tallies.set(stream, found)
  return found
}

function summarize(tallies: Map<OutputStream, StreamTally>): Result['streams'] {
  return Object.fromEntries(
    [...tallies].map(([stream, { hash, size, kept }]) => [
      stream,
      { size, sha256: hash.digest('hex'), droppedBytes: size - kept },
    ]),
  )
}
