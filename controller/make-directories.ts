import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Makes a directory with mode 0700, and those above it. Not by `mkdir`'s own `recursive`: where a file system says ENOENT though
 * the directory above is there, as /proc does, Node tries again without end.
 *
 * @returns whether it was made; one that is there is left as it is.
 * @throws what `mkdir` throws.
 */
export async function makeDirectories(path: string): Promise<boolean> {
  const whole = resolve(path)
  try {
    return await makeOne(whole)
  } catch (error) {
    if (!isMissing(error) || dirname(whole) === whole) throw error
    await makeDirectories(dirname(whole))
    return await makeOne(whole)
  }
}

async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
    return true
  } catch (error) {
    if (await isDirectory(path)) return false
    throw error
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
