import type { World } from '../../protocol/world.ts'
import { agentVersion } from '../agent-version.ts'
import type { Resumption, RunningCommand } from '../operations/operation.ts'
import { removeSecrets, secretsHomes } from '../secrets/secret-files.ts'
import { markBegun, readRecord } from './command-record.ts'
import type { CommandSpec } from './command-spec.ts'
import { checkOutput, endLeftovers } from './interrupted-command.ts'
import { createOutputView, type OutputView } from './output-view.ts'
import { createRunnerConnection } from './runner-connection.ts'
import type { RunnerMessage } from './runner-protocol.ts'
import { defaultIdleMs } from './start-runner.ts'

/** Begins commands in the runner, and finds those again that an earlier agent began. Starts a runner when it needs one. */
export interface RunnerClient extends AsyncDisposable {
  /**
   * Begins a command; `spec.directory` exists.
   *
   * @throws {RunnerUnreachableError} it was not begun, and will not be: no runner can be started, or none answers.
   * @throws {RunnerOutdatedError} it was not begun: the runner does not know what it asks for.
   */
  begin: (spec: CommandSpec) => Promise<RunningCommand>
  /** Finds out what became of a command that was begun, or was about to be. */
  resume: (id: string, directory: string) => Promise<Resumption>
}

export interface RunnerClientOptions {
  /** Absolute; holds the runner's socket. */
  stateDirectory: string
  /** How long a runner stays without commands and agents. */
  idleMs?: number
  /** The agent's own; a runner that an agent of another version started gives way. */
  version?: string
}

interface Watched {
  id: string
  directory: string
  view: OutputView
  /** The runner was asked to begin it and has not answered, so that nothing can be said of it yet. */
  isAsking: boolean
  /** The search for it that is under way. */
  finding?: Promise<Found> | undefined
}

type Found = 'running-or-ended' | 'never-begun' | 'interrupted'

/** How often it is looked whether a runner that does not answer still lives, in milliseconds. */
const lookAgainMs = 1000

/** What cannot be found out by then is unknown: it is told as interrupted. */
const resumeAttempts = 10

export function createRunnerClient(options: RunnerClientOptions, world: World): RunnerClient {
  const watched = new Map<string, Watched>()
  const closing = new AbortController()

  const connection = createRunnerConnection(
    {
      stateDirectory: options.stateDirectory,
      idleMs: options.idleMs ?? defaultIdleMs,
      version: options.version ?? agentVersion,
      onMessage: (message) => hear(message),
      onClosed: () => {
        for (const each of watched.values()) if (!each.isAsking) findInTime(each)
      },
    },
    world,
  )

  const hear = (message: RunnerMessage) => {
    if (message.kind !== 'output' && message.kind !== 'ended') return
    const view = watched.get(message.id)?.view
    if (message.kind === 'output') view?.grow(message.written)
    else view?.end(message.result)
  }

  const watch = (id: string, directory: string): Watched => {
    const each = { id, directory, view: createOutputView(directory), isAsking: false }
    watched.set(id, each)
    void each.view.ended.then(() => watched.delete(id))
    return each
  }

  /** Connects to the runner that has the command, if one has; else settles what became of it. */
  const findAgain = async (each: Watched): Promise<Found> => {
    each.finding ??= find(each).finally(() => {
      each.finding = undefined
    })
    return each.finding
  }

  /** Nobody else would look again, if a look failed, as for want of file descriptors: it would never end. */
  const keepFinding = async (each: Watched, attempts: number): Promise<Found> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await findAgain(each)
      } catch (error) {
        if (closing.signal.aborted || attempt >= attempts) throw error
        await world.sleep(lookAgainMs, closing.signal)
      }
    }
  }
  const findInTime = (each: Watched): void => {
    keepFinding(each, Number.POSITIVE_INFINITY).catch(() => {})
  }

  const find = async ({ id, directory, view }: Watched): Promise<Found> => {
    for (;;) {
      closing.signal.throwIfAborted()
      const care = await connection.askIfThere({ kind: 'attach', id })
      if (care?.kind === 'care' && care.inCare) {
        view.grow(care.written)
        return 'running-or-ended'
      }
      const record = await readRecord(directory)
      if (record.kind === 'never-begun') return 'never-begun'
      if (record.kind === 'ended') {
        const result = await checkOutput(directory, record.result)
        view.end(result)
        return result.state === 'interrupted' ? 'interrupted' : 'running-or-ended'
      }
      if (care !== null || !record.keeperAlive) {
        const result = await endLeftovers(id, directory, record.startedAt, world)
        removeSecrets(secretsHomes(options.stateDirectory), id)
        view.end(result)
        return 'interrupted'
      }
      await world.sleep(lookAgainMs, closing.signal)
    }
  }

  const toRunning = ({ id, view }: Watched): RunningCommand => ({
    output: view.output,
    ended: view.ended,
    discardOutput: async (below) => {
      await view.discardOutput(below)
      if (!view.hasEnded()) await connection.askIfThere({ kind: 'discarded', id, below })
    },
    cancel: async (graceSeconds) => {
      const question = { kind: 'cancel', id, graceMs: graceSeconds * 1000 } as const
      // A runner that is gone for good takes the command with it; one that only cannot be reached does not.
      while (!view.hasEnded() && (await connection.askIfThere(question)) === null) {
        await world.sleep(lookAgainMs, closing.signal)
      }
    },
    feedStdin: async (offset, bytes, end) => {
      const ended = { taken: false, reason: 'ended', nextOffset: offset } as const
      if (view.hasEnded()) return ended
      const question = { kind: 'stdin', id, offset, bytes: Uint8Array.from(bytes), end } as const
      const answer = await connection.askIfThere(question)
      return answer?.kind === 'verdict' ? answer.verdict : ended
    },
  })

  const askToBegin = async (
    each: Watched,
    spec: CommandSpec,
  ): Promise<'in-care' | 'not-in-care' | 'begun'> => {
    each.isAsking = true
    try {
      const care = await connection.ask({ kind: 'begin', spec })
      return care.kind === 'care' && !care.inCare ? 'not-in-care' : 'in-care'
    } catch (error) {
      // The next agent asks again for what this one did not come to.
      if (closing.signal.aborted || !hasBegun(spec.directory, world)) throw error
      return 'begun'
    } finally {
      each.isAsking = false
    }
  }

  return {
    begin: async (spec) => {
      const each = watch(spec.id, spec.directory)
      try {
        const answer = await askToBegin(each, spec)
        if (answer === 'not-in-care') await findAgain(each)
        // Its runner lives, and does not answer: its end is found when it is recorded.
        if (answer === 'begun') findInTime(each)
      } catch (error) {
        watched.delete(spec.id)
        throw error
      }
      return toRunning(each)
    },
    resume: async (id, directory) => {
      const each = watch(id, directory)
      const kind = await keepFinding(each, resumeAttempts)
      if (kind !== 'never-begun') return { kind, running: toRunning(each) }
      watched.delete(id)
      return { kind }
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      await connection.close()
    },
  }
}

/**
 * A runner that broke off may have understood what it was asked, or may yet read it. Either it has marked the command as
 * begun, or we do, after which it cannot begin it any more.
 */
function hasBegun(directory: string, world: World): boolean {
  try {
    return !markBegun(directory, world.now())
  } catch {
    return false
  }
}
