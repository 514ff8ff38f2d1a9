import { chownSync, closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { User } from './find-user.ts'

/**
 * Opens a file from which a shell that has become the user reads a command's variables. Root must not start anything with
 * them: LD_PRELOAD alone would make its user root. In words of a command line everybody could read them.
 *
 * @returns a descriptor of a file that is the user's own and has no name any more; the shell opens it as /dev/fd/N.
 */
export function openEnvironmentFile(
  directory: string,
  environment: Readonly<Record<string, string>>,
  user: User,
): number {
  const path = join(directory, 'environment')
  rmSync(path, { force: true })
  try {
    writeFileSync(path, exportLines(environment), { mode: 0o400, flag: 'wx' })
    const file = openSync(path, 'r')
    try {
      chownSync(path, user.uid, user.gid)
      return file
    } catch (error) {
      closeSync(file)
      throw error
    }
  } finally {
    rmSync(path, { force: true })
  }
}

/** `command` keeps a shell going that has a variable of this name for itself, as bash has UID. */
function exportLines(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .map(([name, value]) => `command export ${name}=${quote(value)}\n`)
    .join('')
}

/** A word for a shell, taken as it is. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
