import { describeError, type Log } from './log.ts'

/** What runs beside the claim loop. */
export interface Background extends AsyncDisposable {
  /** Runs until the agent closes. If it ends by an error before, that is a bug: the agent closes, to be started anew. */
  keep: (what: string, loop: Promise<void>) => void
  /** Something that ends by itself, such as a command on its way; it does not reject. */
  add: (ending: Promise<void>) => void
  /** Resolves when everything that was added has ended. */
  allEnded: () => Promise<void>
}

/** @param closing is aborted when a loop fails, and when this is disposed of; that then waits for all to let go. */
export function createBackground(closing: AbortController, log: Log): Background {
  const loops = new Set<Promise<void>>()
  const endings = new Set<Promise<void>>()
  return {
    keep: (what, loop) => {
      const kept = loop.catch((error: unknown) => {
        if (closing.signal.aborted) return
        log.error(describeError(error), `cannot ${what} any more: the agent ends`)
        closing.abort(error)
      })
      loops.add(kept)
    },
    add: (ending) => {
      const added = ending.finally(() => endings.delete(added))
      endings.add(added)
    },
    allEnded: async () => {
      while (endings.size > 0) await Promise.all(endings)
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort(new DOMException('the agent closes', 'AbortError'))
      await Promise.all([...loops, ...endings])
    },
  }
}
