import { readdirSync, readFileSync } from 'node:fs'

/** One process as /proc shows it. `startTicks` tells it from a later process with the same number. */
export interface ProcessEntry {
  pid: number
  parent: number
  group: number
  session: number
  startTicks: string
  /** Such as `S`: it waits, `T`: it is stopped, `D`: the kernel keeps it until a file system answers. */
  state: string
  program: string
}

/** All processes that are alive: a zombie is not. */
export function listProcesses(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? [])
}

/**
 * The process of this number, if it is alive.
 *
 * @see proc_pid_stat(5): the program's name stands in parentheses, and may contain some itself.
 */
export function readProcess(pid: number): ProcessEntry | undefined {
  const text = readProcFile(pid, 'stat')?.toString('latin1')
  if (text === undefined) return undefined
  const nameEnd = text.lastIndexOf(')')
  const [state, parent, group, session, ...rest] = text.slice(nameEnd + 2).split(' ')
  const startTicks = rest[15]
  if (startTicks === undefined || !state || state === 'Z' || state === 'X') return undefined
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    startTicks,
    state,
    program: text.slice(text.indexOf('(') + 1, nameEnd),
  }
}

/** Whether this very process is still alive. */
export function isAlive(entry: Pick<ProcessEntry, 'pid' | 'startTicks'>): boolean {
  return readProcess(entry.pid)?.startTicks === entry.startTicks
}

/** Whether the process was started with `NAME=value` in its environment, or a parent of it was. */
export function hasInEnvironment(pid: number, assignment: string): boolean {
  const environment = readProcFile(pid, 'environ')
  if (environment === undefined || !environment.includes(assignment)) return false
  return environment.toString('latin1').split('\0').includes(assignment)
}

/** The number of the process that was created last, on this machine. @see proc_loadavg(5), fifth field */
export function lastProcessNumber(): number {
  return Number(readFileSync('/proc/loadavg', 'latin1').trim().split(' ').at(-1))
}

/** A process may end, or turn out not to be ours, between any two looks: then there is nothing to read. */
function readProcFile(pid: number, file: string): Buffer | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`)
  } catch {
    return undefined
  }
}
