import { readFile } from 'node:fs/promises'
import { LocalFileError, UsageError } from '../errors.ts'

/**
 * Headers as curl takes them: `Name: value`, or `@FILE` with one on each line, so that a secret need not stand on a command
 * line for every process to see. A value may be empty.
 *
 * @throws {UsageError} it is no header; not quoted, as it may be a secret.
 * @throws {LocalFileError}
 */
export async function readHeaders(written: readonly string[]): Promise<[string, string][]> {
  const headers: [string, string][] = []
  for (const text of written) {
    const lines = text.startsWith('@') ? await readLines(text.slice(1)) : [text]
    headers.push(...lines.map(parseHeader))
  }
  return headers
}

function parseHeader(text: string): [string, string] {
  const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)$/.exec(text) ?? []
  if (name !== undefined && value !== undefined) return [name, value]
  throw new UsageError('--header: is no header; write `Name: value`, or @FILE')
}

async function readLines(path: string): Promise<string[]> {
  try {
    const text = await readFile(path, 'utf8')
    return text.split(/\r?\n/).filter((line) => line.trim() !== '')
  } catch (error) {
    throw new LocalFileError('read', path, error)
  }
}
