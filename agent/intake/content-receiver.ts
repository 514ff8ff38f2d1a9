import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Content } from '../../protocol/messages/command.ts'
import type { Input } from '../../protocol/sealing/seal-input.ts'
import { addRange, type ByteRanges, contiguousBytes } from './byte-ranges.ts'

/** Takes in the content of one command, chunk by chunk, in any order and with repetitions. */
export interface ContentReceiver {
  /** Where it lies; readable only once it is `whole`. */
  path: string
  /**
   * Puts chunks into the file; when it resolves they are on disk, and may be acknowledged. Chunks beyond the content's size
   * are left out.
   *
   * @throws what writing throws, such as a full disk.
   */
  store: (chunks: readonly Input[]) => Promise<void>
  /** Resolves when every byte is there; rejects when storing has failed. */
  whole: Promise<void>
  /** How far it reaches without a hole. */
  contiguousBytes: () => number
  /** Whether it has the digest that the command promised. */
  hasRightDigest: () => Promise<boolean>
}

/** So many holes at once are no transport's reordering; chunks that would make more are left out, and come again. */
const rangesLimit = 4096

/**
 * @param known the ranges that are on disk already, from before a restart.
 * @param note writes the ranges into the journal.
 */
export function receiveContent(
  content: Content,
  directory: string,
  known: ByteRanges,
  note: (ranges: ByteRanges) => Promise<void>,
): ContentReceiver {
  const path = join(directory, 'content')
  const whole = Promise.withResolvers<void>()
  // Whoever waits sees the failure; nobody may wait yet.
  whole.promise.catch(() => undefined)
  let ranges = known
  const settle = () => {
    if (contiguousBytes(ranges) === content.size) whole.resolve()
  }
  const writeAll = async (chunks: readonly Input[]): Promise<void> => {
    let next = ranges
    await mkdir(directory, { recursive: true, mode: 0o700 })
    // Neither truncates what is there nor appends: chunks are written at their offsets.
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    try {
      for (const { offset, bytes } of chunks) {
        const added = addRange(next, offset, offset + bytes.length)
        if (offset + bytes.length > content.size || added.length > rangesLimit) continue
        await writeWhole(file, bytes, offset)
        next = added
      }
      // On disk before the journal says so, and in the journal before the queue forgets them.
      await file.datasync()
    } finally {
      await file.close()
    }
    if (next !== ranges) await note(next)
    ranges = next
    settle()
  }

  return {
    path,
    whole: whole.promise,
    contiguousBytes: () => contiguousBytes(ranges),
    store: async (chunks) => {
      try {
        await writeAll(chunks)
      } catch (error) {
        whole.reject(error)
        throw error
      }
    },
    hasRightDigest: async () => {
      const hash = createHash('sha256')
      await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
      return hash.digest('hex') === content.sha256
    },
  }
}

/** Empty content has no chunk that would make the file. */
export async function prepareContent(receiver: ContentReceiver, content: Content): Promise<void> {
  if (content.size === 0 || receiver.contiguousBytes() === content.size) await receiver.store([])
}

async function writeWhole(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const rest = bytes.length - written
    const { bytesWritten } = await file.write(bytes, written, rest, offset + written)
    written += bytesWritten
  }
}
