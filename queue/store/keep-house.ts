import { setImmediate as nextTurn } from 'node:timers/promises'
import type { World } from '../../protocol/world.ts'
import type { QueueServiceLog } from '../queue-service-log.ts'
import type { Store } from './open-store.ts'

const everyMs = 10_000
/** Rows per turn of the event loop: a few milliseconds, in which requests wait. */
const chunk = 500

/** Gives back the room of what nobody sees any more, now and then and a little at a time, until disposed of. */
export function keepHouse(store: Store, world: World, log: QueueServiceLog): AsyncDisposable {
  const stop = new AbortController()
  const done = run(store, world, log, stop.signal)
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await done
    },
  }
}

async function run(
  store: Store,
  world: World,
  log: QueueServiceLog,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    try {
      await world.sleep(everyMs, stop)
      while (!stop.aborted && store.sweep(chunk)) await nextTurn()
    } catch (error) {
      if (!stop.aborted) log.error({ err: error }, 'what has ended could not be removed')
    }
  }
}
