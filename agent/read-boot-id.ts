import { readFile } from 'node:fs/promises'
import { ConfigInvalidError } from '../protocol/errors.ts'

/** @throws {ConfigInvalidError} `bootIdPath` cannot be read, or says nothing. */
export async function readBootId(path: string): Promise<string> {
  let bootId: string
  try {
    bootId = (await readFile(path, 'utf8')).trim()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigInvalidError(`bootIdPath: cannot read ${path}: ${why}`, { cause })
  }
  if (bootId !== '') return bootId
  throw new ConfigInvalidError(
    `bootIdPath: ${path} is empty; name a file that changes at each boot`,
  )
}
