import { open } from 'node:fs/promises'
import { ConfigInvalidError } from '../protocol/errors.ts'

/**
 * Reads a secret that stands in a file of its own, without the line break at its end.
 *
 * @param key the configuration key that names the file, for the error.
 * @throws {ConfigInvalidError} it cannot be read, others may read it, or it is shorter than `leastLength`.
 */
export async function readSecretFile(
  key: string,
  path: string,
  leastLength: number,
): Promise<string> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigInvalidError(`\`${key}\` cannot be read: ${why}`, { cause })
  })
  try {
    const { mode } = await file.stat()
    if ((mode & 0o077) !== 0) {
      throw new ConfigInvalidError(`\`${key}\`: ${path} may be read by others; chmod 600 it`)
    }
    const text = (await file.readFile('utf8')).trim()
    if (text.length >= leastLength) return text
    throw new ConfigInvalidError(`\`${key}\`: ${path} holds less than ${leastLength} characters`)
  } finally {
    await file.close()
  }
}
