import { mkdir, stat } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { LocalFileError, UsageError } from '../errors.ts'
import type { RemoteFile } from '../options/target.ts'

/**
 * Where a file from each instance goes: of one instance to `local`, or into it where it is a directory; of a whole
 * cluster to `local/INSTANCE/NAME`.
 *
 * @throws {UsageError} the file there has no name, or several files would go to one place.
 */
export async function chooseDestination(
  local: string,
  { target, path }: RemoteFile,
): Promise<(instance: string) => Promise<string>> {
  const name = posix.basename(path)
  // `..` and `.` would leave the directory that the person named.
  if (name === '' || name === '.' || name === '..' || path.endsWith('/')) {
    throw new UsageError(`${JSON.stringify(path)} ends in no file's name; name a file`)
  }
  if (target.instance === undefined) {
    if (local === '-') throw new UsageError('files of several instances cannot go to `-`')
    return async (instance) => {
      const directory = join(local, instance)
      await makeDirectory(directory)
      return join(directory, name)
    }
  }
  const chosen = (await isDirectory(local)) ? join(local, name) : local
  return async () => chosen
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true })
  } catch (error) {
    throw new LocalFileError('make the directory', directory, error)
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    // What is not there yet, or cannot be looked at, is told when it is written.
    return false
  }
}
