import type { Stats } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { OperationFailure } from './operation-failure.ts'

/**
 * Refuses a path with a link in it that somebody else has laid in a folder where everybody may, such as /tmp. The kernel
 * does so (fs.protected_symlinks) only where it follows links itself, and only for the last part of a path.
 *
 * @throws {OperationFailure}
 */
export async function refusePlantedLinks(path: string): Promise<void> {
  for (let part = path; part !== dirname(part); part = dirname(part)) {
    const stats = await lstat(part).catch(() => null)
    if (!stats?.isSymbolicLink()) continue
    if (isPlanted(stats, await stat(dirname(part)))) throw planted(part)
  }
}

/** The same for the file itself, as fs.protected_regular has it. @throws {OperationFailure} */
export function refusePlantedFile(path: string, file: Stats | undefined, folder: Stats): void {
  if (file && isPlanted(file, folder)) throw planted(path)
}

/** Whether it belongs neither to us nor to the owner of its sticky folder, in which others may write. @see proc_sys_fs(5) */
function isPlanted(file: Stats, folder: Stats): boolean {
  const isSticky = (folder.mode & 0o1000) !== 0 && (folder.mode & 0o022) !== 0
  return isSticky && file.uid !== process.geteuid?.() && file.uid !== folder.uid
}

function planted(path: string): OperationFailure {
  const message = `"${path}" was put by somebody else into a folder where everybody may; remove it, or write elsewhere`
  return new OperationFailure('foreign-in-sticky-folder', message)
}
