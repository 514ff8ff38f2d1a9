import { createHash } from 'node:crypto'

/** How many bytes went by, and their SHA-256. */
export interface FileDigest {
  add: (bytes: Uint8Array) => void
  /** To be called once, after the last byte. */
  finish: () => { size: number; sha256: string }
}

export function createFileDigest(): FileDigest {
  const hash = createHash('sha256')
  let size = 0
  return {
    add: (bytes) => {
      hash.update(bytes)
      size += bytes.length
    },
    finish: () => ({ size, sha256: hash.digest('hex') }),
  }
}
