import { chmod, stat } from 'node:fs/promises'
import { ConfigInvalidError } from '../protocol/errors.ts'
import { describeError, type Log } from './log.ts'
import { isMissingFile } from './state-directory.ts'

/**
 * Why a file that says whom to trust must not be believed: somebody else may have written it. `undefined`: it may be.
 *
 * @throws what `stat` throws, unless there is no such file.
 */
export async function findForeignHand(path: string): Promise<string | undefined> {
  const found = await look(path)
  if (found === undefined) return undefined
  const { mode, uid } = found
  if (!isTrusted(uid)) return `it belongs to user ${uid}; chown it to root`
  return (mode & 0o002) === 0 ? undefined : 'everybody may write it; chmod it to 0600'
}

/**
 * Makes sure that files which hold secrets are this user's alone, as they were written: a backup that was put back, or a
 * person's editor, may have opened them to others. What does not exist is left out.
 *
 * @throws {ConfigInvalidError} one belongs to another user, who could read and change it at will.
 */
export async function closeToOthers(
  paths: readonly string[],
  log: Pick<Log, 'warn'>,
): Promise<void> {
  for (const path of paths) {
    const found = await look(path)
    if (found === undefined) continue
    const { mode, uid } = found
    if (!isTrusted(uid)) {
      throw new ConfigInvalidError(
        `${path} belongs to user ${uid}, who could read and change it; chown it to the agent's user`,
      )
    }
    if ((mode & 0o077) !== 0) await close(path, mode, log)
  }
}

async function close(path: string, mode: number, log: Pick<Log, 'warn'>): Promise<void> {
  const was = { path, mode: (mode & 0o777).toString(8).padStart(4, '0') }
  try {
    await chmod(path, mode & 0o700)
    log.warn(was, 'others could use this file; it is closed to them now')
  } catch (error) {
    log.warn({ ...was, ...describeError(error) }, 'others may use this file; close it to them')
  }
}

async function look(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    if (isMissingFile(error)) return undefined
    throw error
  }
}

/** Root can do all that the agent's user can, and more. */
function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.()
}
