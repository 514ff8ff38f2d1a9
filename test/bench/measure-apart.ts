import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Assignment } from './benchmark.ts'
import { endProcessesOf } from './end-processes.ts'
import { Report } from './report.ts'

export interface Limits {
  /** The benchmark has so long, with all that it starts; then it is ended. */
  capMs: number
  /** Ends it at once. */
  signal: AbortSignal
}

/** How a benchmark ended: what it has measured, and what went wrong, if anything did. */
export interface Outcome {
  report: Report | undefined
  problem: string | undefined
}

/**
 * Runs one benchmark in a process and a directory of its own, and leaves nothing of it behind, however it ends.
 *
 * @param parent where the directory is made.
 * @returns also when it failed or had to be ended.
 */
export async function measureApart(
  name: string,
  parent: string,
  assignment: Omit<Assignment, 'directory'>,
  limits: Limits,
): Promise<Outcome> {
  const directory = await mkdtemp(join(parent, `sahara-bench-${name}-`))
  // The user whom ssh logs in reads below it.
  await chmod(directory, 0o711)
  try {
    return await readOutcome(start(name, { ...assignment, directory }), limits)
  } finally {
    const left = endProcessesOf(directory)
    if (left > 0) process.stderr.write(`${name}: ended ${left} processes\n`)
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

function start(name: string, assignment: Assignment): ChildProcess {
  const program = fileURLToPath(new URL('measure-one.ts', import.meta.url))
  return spawn(process.execPath, [program, name, JSON.stringify(assignment)], {
    // Out of reach of the terminal's Ctrl-C: we end it, with all that it has started.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, TMPDIR: assignment.directory },
  })
}

async function readOutcome(child: ChildProcess, { capMs, signal }: Limits): Promise<Outcome> {
  let report: Report | undefined
  child.on('message', (message) => {
    report = Report.parse(message)
  })
  const ended = Promise.withResolvers<string | undefined>()
  const interrupt = () => ended.resolve('was interrupted')
  signal.addEventListener('abort', interrupt)
  if (signal.aborted) interrupt()
  AbortSignal.timeout(Math.ceil(capMs)).addEventListener('abort', () => {
    ended.resolve(`was ended: it hung, or needed more than ${Math.round(capMs / 1000)} s`)
  })
  child.once('error', ({ message }) => ended.resolve(`could not be started (${message})`))
  child.once('exit', (code, killedBy) => {
    const settle = () => {
      const isWell = code === 0 && report !== undefined
      ended.resolve(isWell ? undefined : `failed (${killedBy ?? `exit code ${code}`})`)
    }
    // What it has said last may still be on its way.
    if (child.connected) child.once('disconnect', settle)
    else settle()
  })
  try {
    const problem = await ended.promise
    return { report, problem }
  } finally {
    signal.removeEventListener('abort', interrupt)
  }
}
