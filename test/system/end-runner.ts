import { readdir, readFile } from 'node:fs/promises'

/** Ends the runner of a state directory: it outlives its agent by design, also at the end of a test. */
export async function endRunner(stateDirectory: string): Promise<void> {
  for (const pid of await findRunners(stateDirectory)) killIfThere(pid)
}

/** The processes that serve a state directory as its runner: one, or none. A child of it is a command that is just being started. */
export async function findRunners(stateDirectory: string): Promise<number[]> {
  const parents = new Map<number, number>()
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const words = (await readIfThere(`/proc/${entry}/cmdline`)).split('\0')
    if (!words.includes('--state') || !words.includes(stateDirectory)) continue
    const parent = /^PPid:\s+(\d+)$/m.exec(await readIfThere(`/proc/${entry}/status`))?.[1]
    parents.set(Number(entry), Number(parent))
  }
  return [...parents].filter(([, parent]) => !parents.has(parent)).map(([pid]) => pid)
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
