import type { Result } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import { recordEndAfterwards } from './command-record.ts'
import { findControlGroup, findControlGroupHome } from './control-group.ts'
import { createProcessTree, endProcessTree } from './process-tree.ts'
import { findSpoolEnd } from './spool-reader.ts'

/**
 * Settles a command whose runner is gone: kills what is left of its tree (nobody reads its pipes or watches its time
 * any more) and records that it was interrupted. What output there is can be read up to the last whole frame.
 */
export async function endLeftovers(
  id: string,
  directory: string,
  startedAt: Date | null,
  world: World,
): Promise<Result> {
  const group = findControlGroup(findControlGroupHome(), id)
  const tree = createProcessTree({ commandId: id, group })
  const survivors = await endProcessTree(tree, () => 0, world)
  group?.remove()
  const result: Result = {
    state: 'interrupted',
    reason: { code: 'runner-gone', message: 'what ran the command died while it ran' },
    ...(startedAt === null ? {} : { startedAt }),
    endedAt: world.now(),
    outputBytes: await findSpoolEnd(directory),
    streams: {},
    survivors: survivors.slice(0, 32).map(({ pid, program }) => ({ pid, program })),
    answer: {},
  }
  try {
    recordEndAfterwards(directory, result)
  } catch {
    // A full disk: the caller has the result, and journals it; it would be found out again if not.
  }
  return result
}

/** After a power failure the record of the end may have outlived the output: then what it says of it is not true. */
export async function checkOutput(directory: string, result: Result): Promise<Result> {
  const outputBytes = await findSpoolEnd(directory)
  if (outputBytes >= result.outputBytes) return result
  const message = `it ended, but only ${outputBytes} of ${result.outputBytes} bytes of its output are left`
  const reason = { code: 'output-lost', message }
  return { ...result, state: 'interrupted', reason, outputBytes, streams: {} }
}
