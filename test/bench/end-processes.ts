import { readdirSync, readFileSync } from 'node:fs'

/** How often it looks again whether anything is left; what is started meanwhile is ended as well. */
const rounds = 100
const pauseMs = 50

/**
 * Ends, by force, all processes that have to do with a directory: whose environment or arguments name it, and all their
 * descendants. So also those are met that have left their parents (a runner, a master of ssh). It blocks this process,
 * so that nothing of its own starts more of them between the last look and its own end.
 *
 * @param spared what is left alone.
 * @returns how many there were.
 * @throws {Error} some are there still.
 */
export function endProcessesOf(directory: string, spared: readonly number[] = []): number {
  const ended = new Set<number>()
  for (let round = 0; round < rounds; round += 1) {
    const found = findProcessesOf(directory).filter((pid) => !spared.includes(pid))
    if (found.length === 0) return ended.size
    for (const pid of found) {
      ended.add(pid)
      killIfThere(pid)
    }
    pause()
  }
  throw new Error(`processes that name ${directory} do not end`)
}

function findProcessesOf(directory: string): number[] {
  const parents = new Map<number, number>()
  const found = new Set<number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const pid = Number(entry)
    const status = readIfThere(`/proc/${entry}/status`)
    // A zombie has ended, and waits for its parent only.
    if (status === '' || /^State:\s+Z/m.test(status)) continue
    parents.set(pid, Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]))
    const names = (file: string) => readIfThere(`/proc/${entry}/${file}`).includes(directory)
    if (names('environ') || names('cmdline')) found.add(pid)
  }
  const belongs = (pid: number): boolean => {
    const parent = parents.get(pid)
    return found.has(pid) || (parent !== undefined && belongs(parent))
  }
  return [...parents.keys()].filter(belongs)
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
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

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs)
}
