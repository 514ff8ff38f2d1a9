import { crc32 } from 'node:zlib'
import type { OutputStream } from '../../protocol/messages/replies.ts'

/**
 * A frame of the spool: stream (1 byte), length (4, big-endian), CRC-32 of those five and of the bytes (4), the bytes.
 * The checksum is what keeps a reader from inventing data: after a power failure a file may end in zeros, or in the
 * rest of something else.
 */
export const frameHeaderBytes = 9

/** Largest number of bytes in one frame; a longer length is a sign of damage. */
export const framePayloadLimitBytes = 256 * 1024

const streamTags = { stdout: 1, stderr: 2, content: 3 } satisfies Record<OutputStream, number>
const streamsByTag = new Map<number, OutputStream>([
  [1, 'stdout'],
  [2, 'stderr'],
  [3, 'content'],
])

export interface Frame {
  stream: OutputStream
  bytes: Uint8Array
}

/** The header of a frame whose bytes are `pieces`, one after the other; they are not copied. */
export function encodeFrameHeader(stream: OutputStream, pieces: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(frameHeaderBytes)
  header.writeUInt8(streamTags[stream], 0)
  header.writeUInt32BE(
    pieces.reduce((sum, piece) => sum + piece.length, 0),
    1,
  )
  let checksum = crc32(header.subarray(0, 5))
  for (const piece of pieces) checksum = crc32(piece, checksum)
  header.writeUInt32BE(checksum, 5)
  return header
}

/**
 * The frame that begins at `position`: `undefined` when what is there is not a whole, undamaged frame. The bytes are a
 * view of `buffer`.
 */
export function decodeFrame(buffer: Buffer, position: number): Frame | undefined {
  const payloadAt = position + frameHeaderBytes
  if (payloadAt > buffer.length) return undefined
  const stream = streamsByTag.get(buffer.readUInt8(position))
  const length = buffer.readUInt32BE(position + 1)
  if (stream === undefined || length === 0 || length > framePayloadLimitBytes) return undefined
  if (payloadAt + length > buffer.length) return undefined
  const bytes = buffer.subarray(payloadAt, payloadAt + length)
  const checksum = crc32(bytes, crc32(buffer.subarray(position, position + 5)))
  return checksum === buffer.readUInt32BE(position + 5) ? { stream, bytes } : undefined
}
