import { spawn } from 'node:child_process'
import { closeSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SaharaAgentError } from '../../protocol/errors.ts'
import type { World } from '../../protocol/world.ts'
import { untilHung } from './hung-runner.ts'

/** The runner cannot be started, or cannot be spoken to; no command can run until that is mended. */
export class RunnerUnreachableError extends SaharaAgentError {
  readonly code = 'ERR_RUNNER_UNREACHABLE'
}

/** The runner is of an older version and still has commands: what it does not know can only be asked of the next one. */
export class RunnerOutdatedError extends SaharaAgentError {
  readonly code = 'ERR_RUNNER_OUTDATED'
}

/** The log is begun anew at a start when it has grown beyond this. The runner writes there only what should not be. */
const logLimitBytes = 256 * 1024

/** How many milliseconds a runner waits without commands and agents before it ends. */
export const defaultIdleMs = 60_000

/**
 * Starts a runner in a session of its own, so that it outlives this process, and waits until it listens. When another
 * one serves the directory already, the new one steps back, which is no error.
 *
 * @param version the agent's: the runner gives way when it meets an agent of another one.
 * @throws {RunnerUnreachableError} it ended before it listened, and not because of another, or does not come to it.
 */
export async function startRunner(
  stateDirectory: string,
  idleMs: number,
  version: string,
  world: Pick<World, 'sleep'>,
): Promise<void> {
  const logPath = join(stateDirectory, 'runner.log')
  const log = openLog(logPath)
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const flags = ['--max-semi-space-size=2', '--no-warnings']
  const child = spawn(
    process.execPath,
    [...flags, main, '--state', stateDirectory, '--agent', version, '--idle-ms', String(idleMs)],
    {
      cwd: '/',
      detached: true,
      env: runnerEnvironment(stateDirectory),
      stdio: ['ignore', 'pipe', log],
    },
  )
  closeSync(log)
  const { promise: settled, resolve, reject } = Promise.withResolvers<void>()
  child.once('error', reject)
  child.once('exit', () => resolve())
  child.stdout?.once('data', () => resolve())
  const over = new AbortController()
  const hung = untilHung(() => ({ hasSpoken: false }), world, over.signal).then(() => {
    // It has begun nothing yet.
    child.kill('SIGKILL')
    throw new Error('it was not ready for minutes')
  })
  try {
    await Promise.race([settled, hung])
  } catch (cause) {
    throw new RunnerUnreachableError('the runner cannot be started; check memory and limits', {
      cause,
    })
  } finally {
    hung.catch(() => undefined)
    over.abort()
    child.stdout?.destroy()
    child.unref()
  }
  if (child.exitCode !== null && child.exitCode !== 0) {
    throw new RunnerUnreachableError(`the runner ended at once; "${logPath}" says why`)
  }
}

/**
 * Nothing of the agent's own environment (proxies, tokens) is any business of the runner. The compile cache saves it
 * some 20 MB and half of its start: with it, the TypeScript compiler is not loaded.
 */
function runnerEnvironment(stateDirectory: string): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    NODE_COMPILE_CACHE: join(stateDirectory, 'compile-cache'),
  }
}

function openLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  return openSync(path, size > logLimitBytes ? 'w' : 'a', 0o600)
}
