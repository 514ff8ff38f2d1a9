import type { World } from '../../protocol/world.ts'
import type { ServerClock } from '../clock/server-clock.ts'
import { describeError, type Log } from '../log.ts'
import type { Journal } from './journal.ts'

const everyMs = 600_000
/** Ids outlive their deadline by this: clocks differ. */
const rememberMs = 3_600_000

/** Keeps the journal from growing: forgets sent commands that are safely past their deadline. Runs until `signal`. */
export async function forgetOldIds(
  journal: Journal,
  limit: number,
  { clock, world, log }: { clock: ServerClock; world: World; log: Log },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await world.sleep(everyMs, signal)
    // By a clock that is ahead it would forget what is young, and then drop new commands for their age.
    if (!clock.isKnown()) continue
    try {
      await journal.forget(new Date(clock.now().getTime() - rememberMs), limit)
    } catch (error) {
      log.warn(describeError(error), 'the journal could not be tidied up; later again')
    }
  }
}
