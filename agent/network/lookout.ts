import { abortable } from '../../protocol/abortable.ts'
import type { World } from '../../protocol/world.ts'
import { lookAtNetwork } from './look-at-network.ts'

/** Who waits for a better time asks it; whoever has got through tells it. */
export interface Lookout {
  /** Resolves when the network has come back, perhaps; rejects with the signal's reason. */
  untilBack: (signal: AbortSignal) => Promise<void>
  /** Somebody has got through after a failure: all who wait may try again. `cutMs` is when a connection last failed, if one did. */
  cameBack: (cutMs?: number) => void
  /** Acts each time that somebody gets through after a connection had failed, until it is disposed of. */
  whenBack: (act: (cutMs: number) => void) => Disposable
}

/** How often the network is looked at while somebody waits, in milliseconds. */
const lookEveryMs = 2000
/** All who wait do not knock in one moment, in milliseconds. */
const spreadMs = 1000

/** @param look shows the network as a text, which differs when the network does. */
export function createLookout(
  world: Pick<World, 'sleep' | 'random'>,
  look: () => string = lookAtNetwork,
): Lookout {
  let back = Promise.withResolvers<void>()
  const acts = new Set<(cutMs: number) => void>()

  const untilItChanges = async (signal: AbortSignal): Promise<void> => {
    const before = look()
    do await world.sleep(lookEveryMs, signal)
    while (look() === before)
  }

  return {
    untilBack: async (signal) => {
      const either = new AbortController()
      const end = () => either.abort(signal.reason)
      signal.addEventListener('abort', end, { once: true })
      if (signal.aborted) end()
      const changes = untilItChanges(either.signal)
      changes.catch(() => undefined)
      try {
        await abortable(Promise.race([changes, back.promise]), signal)
        await abortable(world.sleep(Math.ceil(world.random() * spreadMs), either.signal), signal)
      } finally {
        signal.removeEventListener('abort', end)
        either.abort()
      }
    },
    cameBack: (cutMs) => {
      back.resolve()
      back = Promise.withResolvers()
      if (cutMs === undefined) return
      for (const act of acts) act(cutMs)
    },
    whenBack: (act) => {
      acts.add(act)
      return { [Symbol.dispose]: () => void acts.delete(act) }
    },
  }
}
