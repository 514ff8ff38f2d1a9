/** Gives each line of a byte stream a prefix, so that several streams can share one terminal. */
export interface LinePrefixer {
  /** @returns what can be shown now: whole lines, each behind the prefix; what has no end yet is held. */
  push: (bytes: Uint8Array) => Uint8Array
  /** @returns what was held, with a line break that it did not have, so that the next one's line is its own. */
  end: () => Uint8Array
}

/** A line longer than this is shown in pieces, each on a line of its own, so that what is held stays bounded. */
const heldLimitBytes = 64 * 1024

const lineBreak = 0x0a

export function createLinePrefixer(prefix: string): LinePrefixer {
  const prefixBytes = Buffer.from(prefix)
  const newline = Buffer.of(lineBreak)
  let held: Buffer = Buffer.alloc(0)

  return {
    push: (bytes) => {
      const all = Buffer.concat([held, bytes])
      const shown: Uint8Array[] = []
      let from = 0
      for (;;) {
        const end = all.indexOf(lineBreak, from)
        const stop = end === -1 ? all.length : end
        if (stop - from > heldLimitBytes) {
          const cut = characterBoundary(all, from + heldLimitBytes)
          shown.push(prefixBytes, all.subarray(from, cut), newline)
          from = cut
        } else if (end === -1) {
          break
        } else {
          shown.push(prefixBytes, all.subarray(from, end + 1))
          from = end + 1
        }
      }
      // A copy, so that a short rest does not keep a long chunk in memory.
      held = Buffer.from(all.subarray(from))
      return Buffer.concat(shown)
    },
    end: () => {
      if (held.length === 0) return held
      const last = Buffer.concat([prefixBytes, held, newline])
      held = Buffer.alloc(0)
      return last
    },
  }
}

/** The end of the last whole UTF-8 character at or before `at`; a character has at most three continuation bytes. */
function characterBoundary(bytes: Uint8Array, at: number): number {
  for (let back = 0; back <= 3; back += 1) {
    if (((bytes[at - back] ?? 0) & 0xc0) !== 0x80) return at - back
  }
  return at
}
