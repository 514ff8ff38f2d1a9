import { open } from 'node:fs/promises'
import { LocalFileError, UsageError } from '../errors.ts'
import type { Terminal } from '../terminal.ts'

/** Longest script, in bytes; whoever has more puts a file there and runs that. */
const scriptLimitBytes = 16 * 1024 ** 2

/** Reads a script from a file, or from standard input for `-`. */
export async function readScript(file: string, { stdin }: Terminal): Promise<Buffer> {
  if (file === '-') return await collect(stdin, 'standard input')
  try {
    await using handle = await open(file)
    return await collect(handle.createReadStream({ autoClose: false }), file)
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new LocalFileError('read the script', file, error)
  }
}

async function collect(source: AsyncIterable<Uint8Array | string>, name: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > scriptLimitBytes) {
      throw new UsageError(`the script ${name} is over 16 MiB; \`put\` it there and run it instead`)
    }
    chunks.push(bytes)
  }
  if (size === 0) throw new UsageError(`the script ${name} is empty`)
  return Buffer.concat(chunks)
}

/**
 * What a script's first line asks for, as Linux reads it: a program and at most one argument (execve(2)).
 *
 * @returns null for a script without such a line.
 */
export function interpreterOf(script: Uint8Array): string[] | null {
  const end = script.indexOf(0x0a)
  const line = Buffer.from(script.subarray(0, end === -1 ? 256 : Math.min(end, 256))).toString()
  const [, program, argument] = /^#![ \t]*(\S+)(?:[ \t]+(.*\S))?\s*$/.exec(line) ?? []
  if (program === undefined) return null
  return argument === undefined ? [program] : [program, argument]
}
