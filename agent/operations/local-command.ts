import type { Result } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import { createOutputView, type OutputView } from '../runner/output-view.ts'
import { sleepLong } from '../runner/sleep-long.ts'
import type { CommandToRun, RunningCommand } from './operation.ts'
import { explainFailure, OperationRefusal } from './operation-failure.ts'

/** What an operation tells at its end; the rest of the result is filled in. */
export type Outcome = Pick<Result, 'answer'> & Partial<Pick<Result, 'outputBytes' | 'streams'>>

/** How long work that was called off may take to let go, in milliseconds: a dead network file system never does. */
const letGoMs = 2000

/**
 * Runs `work` in this process (or as its child): it ends with the agent, and is taken up again by `resume`. The
 * command's timeout, deadline and cancel abort its signal; work that is done nevertheless has succeeded.
 */
export function runLocally(
  { command, directory, deadlineMs }: CommandToRun,
  path: string,
  world: World,
  work: (signal: AbortSignal, view: OutputView) => Promise<Outcome>,
): RunningCommand {
  const view = createOutputView(directory)
  const calledOff = new AbortController()
  const done = new AbortController()
  const startedAt = world.now()
  let demand: Pick<Result, 'state' | 'reason'> = { state: 'cancelled' }

  const callOff = (wanted: typeof demand) => {
    if (calledOff.signal.aborted) return
    demand = wanted
    calledOff.abort()
  }

  const watchTime = async () => {
    const limitMs = Math.min(command.timeoutSeconds * 1000, Math.max(0, deadlineMs))
    await sleepLong(world, limitMs, done.signal)
    const code = limitMs === deadlineMs ? 'deadline' : 'timeout'
    callOff({
      state: 'timed-out',
      reason: { code, message: `it took ${limitMs} ms, and was ended` },
    })
  }

  const letGo = async (): Promise<never> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    calledOff.signal.addEventListener('abort', () => resolve(), { once: true })
    await promise
    await world.sleep(letGoMs, done.signal)
    throw new Error('the work does not let go')
  }

  const finish = async () => {
    const blank = { startedAt, outputBytes: 0, streams: {}, survivors: [], answer: {} }
    try {
      const outcome = await Promise.race([work(calledOff.signal, view), letGo()])
      view.end({ ...blank, state: 'succeeded', ...outcome, endedAt: world.now() })
    } catch (error) {
      const state = error instanceof OperationRefusal ? 'refused' : 'failed'
      const rule = error instanceof OperationRefusal ? error.rule : undefined
      const by = rule === undefined ? {} : { rule }
      const failed = { state, reason: explainFailure(error, path), ...by } as const
      const how = calledOff.signal.aborted ? demand : failed
      view.end({ ...blank, ...how, outputBytes: view.known(), endedAt: world.now() })
    } finally {
      done.abort()
    }
  }

  watchTime().catch(() => {})
  void finish()
  return {
    output: view.output,
    ended: view.ended,
    discardOutput: view.discardOutput,
    cancel: async () => callOff({ state: 'cancelled' }),
    feedStdin: async () => ({ taken: false, reason: 'not-open', nextOffset: 0 }),
  }
}
