import type { OutputStream } from '../../protocol/messages/replies.ts'
import type { OutputChunk } from '../operations/operation.ts'

/** Output that goes out as one reply. */
export interface Gathered {
  offset: number
  stream: OutputStream
  parts: Uint8Array[]
  sizeBytes: number
}

/**
 * Adds a chunk to what is gathered: to the last reply if it continues it, else as further ones; none gets larger than
 * `limitBytes`. Changes `gathered`; the bytes are not copied.
 */
export function gatherOutput(gathered: Gathered[], chunk: OutputChunk, limitBytes: number): void {
  let { offset, bytes } = chunk
  while (bytes.length > 0) {
    const last = gathered.at(-1)
    const continues =
      last?.stream === chunk.stream &&
      last.offset + last.sizeBytes === offset &&
      last.sizeBytes < limitBytes
    const open = continues ? last : { offset, stream: chunk.stream, parts: [], sizeBytes: 0 }
    if (!continues) gathered.push(open)
    const piece = bytes.subarray(0, limitBytes - open.sizeBytes)
    open.parts.push(piece)
    open.sizeBytes += piece.length
    offset += piece.length
    bytes = bytes.subarray(piece.length)
  }
}
