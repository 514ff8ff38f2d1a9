import type { World } from '../../protocol/world.ts'
import { backoffDelayMs } from '../../protocol/zaqar/retry.ts'
import { JournalWriteError } from '../errors.ts'

/**
 * Repeats a write until the disk takes it, with growing pauses.
 *
 * @throws what is no `JournalWriteError`; anything once `closing` is aborted.
 */
export async function untilJournaled(
  write: () => Promise<void>,
  { world, closing }: { world: Pick<World, 'sleep' | 'random'>; closing: AbortSignal },
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof JournalWriteError) || closing.aborted) throw error
      await world.sleep(backoffDelayMs(attempt, world.random), closing)
    }
  }
}
