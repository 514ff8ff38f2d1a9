import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'

export type ProgramVerdict =
  | { found: true; path: string }
  | { found: false; reason: 'no-such-program' | 'not-executable' }

/** Finds a program as a shell does: a name with a slash from `directory`, any other along `searchPath`. */
export function findProgram(name: string, searchPath: string, directory: string): ProgramVerdict {
  let sawFile = name.endsWith('/')
  for (const path of listCandidates(name, searchPath, directory)) {
    if (!isFile(path)) continue
    if (isExecutable(path)) return { found: true, path }
    sawFile = true
  }
  return { found: false, reason: sawFile ? 'not-executable' : 'no-such-program' }
}

/** Where `findProgram` looks, in its order. */
export function listCandidates(name: string, searchPath: string, directory: string): string[] {
  if (name === '') return []
  return name.includes('/')
    ? [resolve(directory, name)]
    : searchPath.split(':').map((folder) => resolve(directory, folder, name))
}

/** What cannot be looked at (a name too long, a loop of links, a NUL byte) is none, as for a shell. */
function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
  } catch {
    return false
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
