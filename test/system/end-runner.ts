import { readdir, readFile } from 'node:fs/promises'

/** Ends the runner of a state directory: it outlives its agent by design, also at the end of a test. */
export async function endRunner(stateDirectory: string): Promise<void> {
  for (const pid of await findRunners(stateDirectory)) killIfThere(pid)
}

/** The processes that serve a state directory as its runner: one, or none. */
export async function findRunners(stateDirectory: string): Promise<number[]> {
  const found: number[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const words = (await readIfThere(`/proc/${entry}/cmdline`)).split('\0')
    if (words.includes('--state') && words.includes(stateDirectory)) found.push(Number(entry))
  }
  return found
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended meanwhile.
  }
}
