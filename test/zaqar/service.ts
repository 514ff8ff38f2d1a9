import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** A foreign server that a test starts, stops and starts again on the same port. */
export interface Service {
  readonly name: string
  /**
   * Starts it, and returns when it is ready.
   *
   * @throws {PortTakenError} somebody else listens on its port; choose another.
   * @throws {Error} it ended, or was not ready in time; the end of its log is quoted.
   */
  start: () => Promise<void>
  /** Ends its whole process group, by force after five seconds. Does nothing when it does not run. */
  stop: (signal?: 'SIGTERM' | 'SIGKILL') => Promise<void>
  /** All that it has written since its first start. */
  log: () => string
}

export interface ServiceDefinition {
  name: string
  command: readonly string[]
  environment?: Readonly<Record<string, string>>
  logPath: string
  /** Asks once; `false` and a rejection both mean: not yet. */
  isReady: (signal: AbortSignal) => Promise<boolean>
}

/** Between our choice of a port and its use, another process has taken it. */
export class PortTakenError extends Error {}

const readyWithinMs = 40_000
const probeWithinMs = 10_000
const stopWithinMs = 5_000
const quotedLines = 25

interface Running {
  child: ChildProcess
  /** Its leader has ended, and how. */
  ended: Promise<string>
  /** Every process of it has ended, so that its ports are free again. */
  allEnded: Promise<unknown>
  /** Where its part of the log begins. */
  logStart: number
}

export function createService(definition: ServiceDefinition): Service {
  const { name, logPath } = definition
  let running: Running | undefined

  async function stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (running === undefined) return
    const ending = running
    running = undefined
    await endGroup(ending, signal)
  }

  async function start(): Promise<void> {
    if (running !== undefined) throw new Error(`${name} runs already`)
    running = launch(definition)
    const { ended, logStart } = running
    const problem = await waitUntilReady(ended, definition.isReady)
    if (problem === undefined) return
    const text = readLog(logPath, logStart)
    await stop('SIGKILL')
    const ProblemError = /address already in use/i.test(text) ? PortTakenError : Error
    throw new ProblemError(`${name} ${problem}; its log ends:\n${lastLines(text)}`)
  }

  return { name, start, stop, log: () => readLog(logPath, 0) }
}

function launch({ command, environment, logPath }: ServiceDefinition): Running {
  const log = openSync(logPath, 'a', 0o600)
  const logStart = statSync(logPath).size
  // A test runner that is killed runs no clean-up of ours: the kernel then ends the service (--pdeathsig).
  const child = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
    detached: true,
    // All processes of the service inherit the pipe. It ends with the last of them, and then comes `close`.
    stdio: ['ignore', log, log, 'pipe'],
    env: { ...debianEnvironment, ...environment },
  })
  closeSync(log)
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be started (${error.message})`))
    child.once('exit', (code, signal) => resolve(`ended (${signal ?? `exit code ${code}`})`))
  })
  const allEnded = new Promise((resolve) => child.once('close', resolve))
  const pipe = child.stdio[3]
  if (pipe instanceof Readable) pipe.resume()
  endWithThisProcess(child)
  return { child, ended, allEnded, logStart }
}

/** What every Debian service is given: not our PATH (its python3 may be another), and no proxy. */
export const debianEnvironment = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/nonexistent',
  no_proxy: '127.0.0.1,localhost',
  PYTHONDONTWRITEBYTECODE: '1',
} as const

/** Resolves with `undefined` when the service is ready, or with what went wrong. */
async function waitUntilReady(
  ended: Promise<string>,
  isReady: ServiceDefinition['isReady'],
): Promise<string | undefined> {
  const deadline = AbortSignal.timeout(readyWithinMs)
  const settled = new AbortController()
  async function probe(): Promise<string | undefined> {
    while (!deadline.aborted && !settled.signal.aborted) {
      const signal = AbortSignal.any([deadline, settled.signal, AbortSignal.timeout(probeWithinMs)])
      if (await isReady(signal).catch(() => false)) return undefined
      await sleep(40)
    }
    return `was not ready within ${readyWithinMs / 1000} s`
  }
  try {
    return await Promise.race([ended, probe()])
  } finally {
    settled.abort()
  }
}

async function endGroup(running: Running, signal: NodeJS.Signals): Promise<void> {
  const { child, ended, allEnded } = running
  signalGroup(child, signal)
  const patience = new AbortController()
  const late = sleep(stopWithinMs, 'late', { signal: patience.signal }).catch(() => 'in time')
  await Promise.race([ended, late])
  patience.abort()
  // Also when the leader has ended: a worker may have outlived it.
  signalGroup(child, 'SIGKILL')
  await allEnded
  liveGroups.delete(child)
}

const liveGroups = new Set<ChildProcess>()

function endWithThisProcess(child: ChildProcess): void {
  if (liveGroups.size === 0) process.once('exit', endAllGroups)
  liveGroups.add(child)
}

function endAllGroups(): void {
  for (const child of liveGroups) signalGroup(child, 'SIGKILL')
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group has ended.
  }
}

function readLog(path: string, from: number): string {
  return existsSync(path) ? readFileSync(path).subarray(from).toString('utf8') : ''
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-quotedLines).join('\n')
}
