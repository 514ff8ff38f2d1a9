import { createHash } from 'node:crypto'

/** A text as a line shows it: whole, or its beginning with what names the whole. Never a string that only looks cut. */
export type CutText = string | { begins: string; size: number; sha256: string }

/** So much of a text is shown, in bytes of JSON. */
const shownBytes = 200

/** Cuts a text that is long, and says by size and SHA-256 what it was. Pure. */
export function cutText(text: string): CutText {
  let bytes = 0
  let begins = ''
  for (const character of text) {
    bytes += Buffer.byteLength(JSON.stringify(character)) - 2
    if (bytes > shownBytes) return { begins, ...digestOf(text) }
    begins += character
  }
  return text
}

/** Size, in bytes, and SHA-256. */
export function digestOf(text: string): { size: number; sha256: string } {
  const sha256 = createHash('sha256').update(text).digest('hex')
  return { size: Buffer.byteLength(text), sha256 }
}
