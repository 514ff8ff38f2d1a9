import { constants, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { descriptorPath } from './opened-path.ts'
import { OperationFailure } from './operation-failure.ts'

/** A descriptor that only leads further, as for folders that may be entered and not read. Node has no name for it. @see open(2) */
const pathOnly = 0o10_000_000

/**
 * Opens a path in which no link is left, folder after folder, and follows none. So the file lies in this process's own
 * view of the file systems, and what the kernel says of its place is true: behind /proc/PID/root, which is a link, other mounts
 * may lie under the names of ours.
 *
 * @throws the file system's own error, ENOTDIR or ELOOP where a link has been laid.
 */
export async function openTruly(path: string, flags: number): Promise<FileHandle> {
  const names = path.split('/').filter((name) => name !== '')
  let at = await open('/', pathOnly | constants.O_DIRECTORY)
  try {
    for (const name of names.slice(0, -1)) {
      const step = pathOnly | constants.O_DIRECTORY | constants.O_NOFOLLOW
      const next = await open(`${descriptorPath(at)}/${name}`, step)
      await at.close()
      at = next
    }
    return await open(`${descriptorPath(at)}/${names.at(-1) ?? '.'}`, flags | constants.O_NOFOLLOW)
  } finally {
    await at.close()
  }
}

/** Whether both are one file. */
export function isSameFile(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino
}

/** What was asked for lies elsewhere than its name says. */
export function leadsElsewhere(path: string): OperationFailure {
  const message = `"${path}" leads to a file in another view of the file systems (such as /proc/PID/root), or was replaced meanwhile; name the file as this instance sees it`
  return new OperationFailure('path-changed', message)
}
