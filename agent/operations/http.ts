import type { HttpOperation } from '../../protocol/messages/operations.ts'
import type { Result } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import { markBegun, readRecord, recordEnd, recordEndAfterwards } from '../runner/command-record.ts'
import { checkOutput } from '../runner/interrupted-command.ts'
import type { OutputView } from '../runner/output-view.ts'
import { findSpoolEnd } from '../runner/spool-reader.ts'
import type { OperationHandler, OperationsOptions } from './begin-command.ts'
import { clearSpool, createPace, type Pace, paced, spoolContent } from './content-spool.ts'
import { endedCommand, recalledCommand } from './ended-command.ts'
import { exchange } from './http-exchange.ts'
import { findTarget } from './http-target.ts'
import { type Outcome, runLocally } from './local-command.ts'
import type { CommandToRun, RunningCommand } from './operation.ts'
import { explainFailure, OperationRefusal } from './operation-failure.ts'

/**
 * Makes an HTTP request to a service on this instance. The content is the body; the answer's body is output on `content`.
 *
 * It runs in the agent, and ends with it. A request may have had its effect without a word, so one that was under way when
 * the agent died is `interrupted`, and made again only if the command is `idempotent`.
 */
export function createHttp(
  options: OperationsOptions,
  world: World,
): OperationHandler<HttpOperation> {
  return {
    begin: async (toRun, fields) => {
      const { directory } = toRun
      try {
        if (!markBegun(directory, world.now())) {
          return recalledCommand(directory, await settle(directory, world))
        }
      } catch (error) {
        return endedCommand({ state: 'failed', reason: explainFailure(error, directory) }, world)
      }
      const pace = createPace()
      const running = runLocally(toRun, directory, world, async (signal, view) => {
        await clearSpool(directory)
        return await ask(toRun, fields, options, { pace, signal, view })
      })
      return paced(recorded(running, directory), pace, true)
    },
    resume: async ({ directory }) => {
      const record = await readRecord(directory)
      if (record.kind === 'never-begun') return { kind: 'never-begun' }
      const result = await settle(directory, world)
      return {
        kind: result.state === 'interrupted' ? 'interrupted' : 'running-or-ended',
        running: recalledCommand(directory, result),
      }
    },
  }
}

async function ask(
  { command, directory, contentPath }: CommandToRun,
  { method, url, headers }: HttpOperation,
  options: OperationsOptions,
  reading: { pace: Pace; signal: AbortSignal; view: OutputView },
): Promise<Outcome> {
  const { signal } = reading
  if (method === 'CONNECT') {
    throw new OperationRefusal('operation-malformed', 'method: CONNECT would open a tunnel')
  }
  const target = await findTarget(url, signal)
  const sizeBytes = command.content?.size ?? 0
  const body = contentPath === null ? null : { path: contentPath, sizeBytes }
  const { produced, tally } = await spoolContent(directory, options, reading, async (take) =>
    exchange(target, { method, headers, body }, take, signal),
  )
  const { size, sha256 } = tally.streams.content ?? {}
  return { ...tally, answer: { ...produced, size, sha256 } }
}

/** Keeps the end on the disk before anybody hears of it, as a restart could not find it out anew. */
function recorded(running: RunningCommand, directory: string): RunningCommand {
  const record = async (): Promise<Result> => {
    const result = await running.ended
    try {
      recordEnd(directory, result)
    } catch {
      // A full disk: the caller has the result, and journals it.
    }
    return result
  }
  return { ...running, ended: record() }
}

/** What there is to say of a request that was begun by an agent which is no more. */
async function settle(directory: string, world: World): Promise<Result> {
  const record = await readRecord(directory)
  if (record.kind === 'ended') return await checkOutput(directory, record.result)
  const startedAt = record.kind === 'begun' ? record.startedAt : null
  const message = 'the agent ended while the request was under way; it may have had its effect'
  const result: Result = {
    state: 'interrupted',
    reason: { code: 'interrupted', message },
    ...(startedAt === null ? {} : { startedAt }),
    endedAt: world.now(),
    outputBytes: await findSpoolEnd(directory),
    streams: {},
    survivors: [],
    answer: {},
  }
  try {
    recordEndAfterwards(directory, result)
  } catch {
    // As above.
  }
  return result
}
