import { secretMinBytes } from '../../protocol/messages/secrets.ts'

/** What stands in the place of a secret. Shorter than any secret, so that output never grows by it. */
const redactedMark = Buffer.from('***')

/**
 * Takes secrets out of one stream of bytes. However the stream is cut into pieces, the whole that comes out is the same; but
 * `pause` may let a beginning of up to three bytes out.
 *
 * Held back is only what may be the beginning of a secret: at most the longest one's length less one byte.
 */
export interface Redactor {
  /** Gives what may be shown of this, and of what came before. */
  push: (bytes: Uint8Array) => Uint8Array
  /** Nothing came for a while: a prompt may end like a secret begins. Gives the few bytes that say nothing by themselves. */
  pause: () => Uint8Array
  /** Whether `pause` would give something. */
  hasPause: () => boolean
  /** Nothing more comes. What begins like a secret, for four bytes or more, and was cut off, is taken for one. */
  end: () => Uint8Array
}

/** @param spellings of all secrets (`spellings.ts`), each of at least `secretMinBytes`. */
export function createRedactor(spellings: readonly Uint8Array[]): Redactor {
  const { firstPairs, find } = indexSpellings(spellings)
  /** What is not decided yet. */
  let held: Buffer = Buffer.alloc(0)
  /** So much of `held` has been shown by `pause`. */
  let shown = 0
  /** So much of `held` belongs to a secret that began before it. */
  let covered = 0

  const scan = (text: Buffer, isEnd: boolean): Uint8Array => {
    const pieces: Buffer[] = []
    let passed = Math.max(shown, covered)
    let at = 0
    const last = text.length - 1
    for (; at <= last; at += 1) {
      if (at < last && firstPairs[(text[at] ?? 0) | ((text[at + 1] ?? 0) << 8)] === 0) continue
      const found = find(text, at)
      if (found.isOpen && !isEnd) break
      const rest = text.length - at
      const length = found.isOpen && rest >= secretMinBytes ? rest : found.length
      if (length === 0) continue
      if (at >= covered) {
        if (at > passed) pieces.push(text.subarray(passed, at))
        pieces.push(redactedMark)
      }
      covered = Math.max(covered, at + length)
      passed = Math.max(passed, covered)
    }
    if (at > passed) pieces.push(text.subarray(passed, at))
    held = text.subarray(at)
    shown = Math.max(0, shown - at)
    covered = Math.max(0, covered - at)
    return pieces.length === 1 ? (pieces[0] ?? held) : Buffer.concat(pieces)
  }

  const unshown = () =>
    held.length < secretMinBytes ? held.subarray(Math.max(shown, covered)) : held.subarray(0, 0)

  return {
    push: (bytes) =>
      scan(held.length === 0 ? toBuffer(bytes) : Buffer.concat([held, bytes]), false),
    hasPause: () => unshown().length > 0,
    pause: () => {
      const out = unshown()
      if (out.length > 0) shown = held.length
      return out
    },
    end: () => scan(held, true),
  }
}

interface Found {
  /** Of the longest spelling that stands here; 0: none does. */
  length: number
  /** What stands here up to the end of the text is the beginning of a longer one. */
  isOpen: boolean
}

interface SpellingIndex {
  /** For two bytes whether a spelling begins with them: nearly never. */
  firstPairs: Uint8Array
  find: (text: Buffer, at: number) => Found
}

/** Finds spellings by their first four bytes: however many there are, one look at each byte of output. */
function indexSpellings(spellings: readonly Uint8Array[]): SpellingIndex {
  const firstPairs = new Uint8Array(65_536)
  const beginnings = new Set<string>()
  const byFirstFour = new Map<number, Buffer[]>()
  const longestFirst = spellings.map(toBuffer).toSorted((one, other) => other.length - one.length)
  for (const spelling of longestFirst) {
    firstPairs[spelling.readUInt16LE(0)] = 1
    for (const length of [1, 2, 3]) beginnings.add(spelling.toString('latin1', 0, length))
    const key = spelling.readUInt32LE(0)
    byFirstFour.set(key, [...(byFirstFour.get(key) ?? []), spelling])
  }
  return {
    firstPairs,
    find: (text, at) => {
      const rest = text.length - at
      if (rest < 4) return { length: 0, isOpen: beginnings.has(text.toString('latin1', at)) }
      let isOpen = false
      for (const spelling of byFirstFour.get(text.readUInt32LE(at)) ?? []) {
        const { length } = spelling
        const isHere =
          text.compare(spelling, 0, Math.min(length, rest), at, at + Math.min(length, rest)) === 0
        if (isHere && length <= rest) return { length, isOpen }
        isOpen ||= isHere
      }
      return { length: 0, isOpen }
    },
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
