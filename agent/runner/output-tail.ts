import type { OutputStream } from '../../protocol/messages/replies.ts'

export interface Piece {
  stream: OutputStream
  bytes: Uint8Array
}

/** The last bytes of an output, its streams in the order in which they came; what is older is forgotten. */
export interface OutputTail {
  add: (stream: OutputStream, bytes: Uint8Array) => void
  /** All that is kept, and forgets it. */
  take: () => Piece[]
}

/** Programs that change streams with every byte must not cost more than their bytes do. */
const runsLimit = 8192

/** @param limitBytes how much is kept, at most; the memory is taken with the first byte. */
export function createOutputTail(limitBytes: number): OutputTail {
  let ring: Buffer | undefined
  /** Bytes ever added; the newest lies before `end % limitBytes`. */
  let end = 0
  let runs: { stream: OutputStream; size: number }[] = []

  const forget = (count: number) => {
    let left = count
    let whole = 0
    for (const run of runs) {
      if (run.size > left) {
        run.size -= left
        break
      }
      left -= run.size
      whole += 1
    }
    if (whole > 0) runs = runs.slice(whole)
  }
  const size = () => runs.reduce((sum, run) => sum + run.size, 0)
  let keptBytes = 0

  return {
    add: (stream, added) => {
      const bytes = added.subarray(Math.max(0, added.length - limitBytes))
      if (bytes.length === 0) return
      ring ??= Buffer.allocUnsafeSlow(limitBytes)
      const at = end % limitBytes
      const first = bytes.subarray(0, limitBytes - at)
      ring.set(first, at)
      ring.set(bytes.subarray(first.length), 0)
      end += bytes.length
      const last = runs.at(-1)
      if (last?.stream === stream) last.size += bytes.length
      else runs.push({ stream, size: bytes.length })
      keptBytes += bytes.length
      if (keptBytes > limitBytes) {
        forget(keptBytes - limitBytes)
        keptBytes = limitBytes
      }
      if (runs.length > runsLimit) {
        runs = runs.slice(runsLimit / 2)
        keptBytes = size()
      }
    },
    take: () => {
      const pieces: Piece[] = []
      let from = end - keptBytes
      for (const { stream, size: length } of runs) {
        const at = from % limitBytes
        const first = ring?.subarray(at, Math.min(limitBytes, at + length)) ?? Buffer.alloc(0)
        const rest = ring?.subarray(0, length - first.length) ?? Buffer.alloc(0)
        pieces.push(...[first, rest].filter(isFilled).map((bytes) => ({ stream, bytes })))
        from += length
      }
      runs = []
      keptBytes = 0
      return pieces
    },
  }
}

function isFilled(bytes: Uint8Array): boolean {
  return bytes.length > 0
}
