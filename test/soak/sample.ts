import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** What a program uses at one moment. */
export interface Sample {
  atMs: number
  memoryBytes: number
  openFiles: number
  diskBytes: number
}

/** A program under watch: its process, and where its files lie. */
export interface Watched {
  pid: number
  /** Directories, or files. */
  paths: readonly string[]
}

/** @throws when the process is gone: a program that was started again would look as if it had never grown. */
export async function takeSample({ pid, paths }: Watched, atMs: number): Promise<Sample> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]
  const sizes = await Promise.all(paths.map(diskUse))
  return {
    atMs,
    memoryBytes: Number(kilobytes) * 1024,
    openFiles: (await readdir(`/proc/${pid}/fd`)).length,
    diskBytes: sizes.reduce((sum, size) => sum + size, 0),
  }
}

/** Blocks in use, of all files below a path; what vanishes meanwhile uses nothing. */
async function diskUse(path: string): Promise<number> {
  try {
    const found = await stat(path)
    if (!found.isDirectory()) return found.blocks * 512
    const names = await readdir(path)
    const sizes = await Promise.all(names.map(async (name) => diskUse(join(path, name))))
    return sizes.reduce((sum, size) => sum + size, 0)
  } catch {
    return 0
  }
}
