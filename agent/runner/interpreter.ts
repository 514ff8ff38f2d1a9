import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'

/** What the kernel reads of a program. @see linux fs/binfmt_script.c, BINPRM_BUF_SIZE */
const headBytes = 256

/** The first bytes of a regular file; `undefined` for anything else, and what cannot be read. */
export async function readHead(path: string): Promise<Buffer | undefined> {
  try {
    // To open a device may set something off.
    if (!(await stat(path)).isFile()) return undefined
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    return buffer.subarray(0, bytesRead)
  } catch {
    return undefined
  }
}

/** The program that a script names in its first line, as the kernel reads it; `undefined` for what is no script. Pure. */
export function parseInterpreter(head: Buffer): string | undefined {
  const name = /^#![ \t]*([^ \t\n\0]+)/.exec(head.toString('latin1'))
  // One that is cut off is no name.
  if (!name?.[1] || name[0].length >= headBytes) return undefined
  return Buffer.from(name[1], 'latin1').toString()
}
