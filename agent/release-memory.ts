import type { World } from '../protocol/world.ts'

/** After so long a start has done its work, in milliseconds. */
const settleMs = 5000

/**
 * Gives back what only the start needed, once: some 4 MiB, which V8 would keep, as an agent that waits never fills its heap.
 * Takes some 30 ms.
 *
 * @param collect `globalThis.gc`, which is there only with --expose-gc, as the package's launcher has it.
 */
export async function releaseMemory(
  collect: NodeJS.GCFunction | undefined,
  world: Pick<World, 'sleep'>,
  signal: AbortSignal,
): Promise<void> {
  if (collect === undefined) return
  await world.sleep(settleMs, signal)
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
