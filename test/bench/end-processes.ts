import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** How often it looks again whether anything is left; what is started meanwhile is ended as well. */
const rounds = 100
const pauseMs = 50

/**
 * Ends, by force, all processes that have to do with a directory: whose environment or arguments name it, and all their
 * descendants. So also those are met that have left their parents (a runner, a master of ssh).
 *
 * @param spared what is left alone.
 * @returns how many there were.
 * @throws {Error} some are there still.
 */
export async function endProcessesOf(
  directory: string,
  spared: readonly number[] = [],
): Promise<number> {
  const ended = new Set<number>()
  for (let round = 0; round < rounds; round += 1) {
    const found = (await findProcessesOf(directory)).filter((pid) => !spared.includes(pid))
    if (found.length === 0) return ended.size
    for (const pid of found) {
      ended.add(pid)
      killIfThere(pid)
    }
    await sleep(pauseMs)
  }
  throw new Error(`processes that name ${directory} do not end`)
}

async function findProcessesOf(directory: string): Promise<number[]> {
  const parents = new Map<number, number>()
  const found = new Set<number>()
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const pid = Number(entry)
    // After the name in parentheses: state, parent. A zombie has ended, and waits for its parent only.
    const [state, parent] =
      (await readIfThere(`/proc/${entry}/stat`)).split(') ').at(-1)?.split(' ') ?? []
    if (state === undefined || state === '' || state === 'Z') continue
    parents.set(pid, Number(parent))
    const files = ['environ', 'cmdline'].map((file) => readIfThere(`/proc/${entry}/${file}`))
    if ((await Promise.all(files)).some((text) => text.includes(directory))) found.add(pid)
  }
  const belongs = (pid: number): boolean => {
    const parent = parents.get(pid)
    return found.has(pid) || (parent !== undefined && belongs(parent))
  }
  return [...parents.keys()].filter(belongs)
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1')
  } catch {
    // It has ended, or is somebody else's.
    return ''
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
