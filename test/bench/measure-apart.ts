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

/**
 * Runs one benchmark in a process and a directory of its own, and leaves nothing of it behind, however it ends.
 *
 * @param parent where the directory is made.
 * @throws {Error} it failed, did not end in time, or was to be ended.
 */
export async function measureApart(
  name: string,
  parent: string,
  assignment: Omit<Assignment, 'directory'>,
  limits: Limits,
): Promise<Report> {
  const directory = await mkdtemp(join(parent, `sahara-bench-${name}-`))
  // The user whom ssh logs in reads below it.
  await chmod(directory, 0o711)
  try {
    return await readReport(start(name, { ...assignment, directory }), limits)
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

async function readReport(child: ChildProcess, { capMs, signal }: Limits): Promise<Report> {
  const cap = AbortSignal.timeout(capMs)
  return await new Promise((resolve, reject) => {
    let report: unknown
    const giveUp = () => reject(new Error('was interrupted'))
    child.once('message', (message) => {
      report = message
    })
    child.once('error', reject)
    child.once('exit', (code, killedBy) => {
      signal.removeEventListener('abort', giveUp)
      const read = Report.safeParse(report)
      if (read.success) resolve(read.data)
      else reject(new Error(`ended without a report (${killedBy ?? `exit code ${code}`})`))
    })
    signal.addEventListener('abort', giveUp)
    cap.addEventListener('abort', () => {
      reject(new Error(`was ended: it hung, or needed more than ${Math.round(capMs / 1000)} s`))
    })
    if (signal.aborted) giveUp()
  })
}
