import type { Result } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import { createOutputView } from '../runner/output-view.ts'
import type { OutputChunk, RunningCommand } from './operation.ts'

/** A command of which only the end is left, and the output in its directory: nothing is done for it any more. */
export function recalledCommand(directory: string, result: Result): RunningCommand {
  const view = createOutputView(directory)
  view.end(result)
  return {
    output: view.output,
    ended: view.ended,
    discardOutput: view.discardOutput,
    cancel: async () => {},
    feedStdin: async () => ({ taken: false, reason: 'not-open', nextOffset: 0 }),
  }
}

/** A command that ended before anything ran. */
export function endedCommand(
  outcome: Pick<Result, 'state' | 'reason'>,
  world: World,
): RunningCommand {
  return {
    output: noOutput,
    discardOutput: async () => {},
    cancel: async () => {},
    feedStdin: async () => ({ taken: false, reason: 'not-open', nextOffset: 0 }),
    ended: Promise.resolve({
      ...outcome,
      endedAt: world.now(),
      outputBytes: 0,
      streams: {},
      survivors: [],
      answer: {},
    }),
  }
}

async function* noOutput(): AsyncGenerator<OutputChunk> {
  yield* []
}
