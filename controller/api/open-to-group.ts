import { execFile } from 'node:child_process'
import { chmod, chown } from 'node:fs/promises'
import { promisify } from 'node:util'
import { ConfigInvalidError } from '../../protocol/errors.ts'

const run = promisify(execFile)

/**
 * The number of a group that is named by name or number; the system's own databases are asked, LDAP or whatever they are.
 *
 * @throws {ConfigInvalidError} there is none.
 */
export async function findGroup(group: string): Promise<number> {
  if (/^\d{1,9}$/.test(group)) return Number(group)
  try {
    // group(5): name, password, number, members.
    const { stdout } = await run('getent', ['group', '--', group])
    const gid = /^[^:]*:[^:]*:(\d+):/.exec(stdout)?.[1]
    if (gid !== undefined) return Number(gid)
  } catch {
    // Said below: getent exits with 2 for a group that is not there.
  }
  throw new ConfigInvalidError(`\`socketGroup\`: there is no group "${group}" on this machine`)
}

/**
 * Gives a path to a group, and only then the group its rights.
 *
 * @throws {ConfigInvalidError} we may not: only root, or who is in the group.
 */
export async function openToGroup(path: string, gid: number, mode: number): Promise<void> {
  try {
    await chown(path, -1, gid)
  } catch (cause) {
    throw new ConfigInvalidError(
      `\`socketGroup\`: ${path} cannot be given to group ${gid}; run the controller as a member of it`,
      { cause },
    )
  }
  await chmod(path, mode)
}
