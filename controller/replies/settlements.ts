import type { Context } from '../context.ts'
import { settleLargeOutput } from './settle-output.ts'

/** Checks large outputs against their digests, one after the other, beside everything else. */
export interface Settlements extends AsyncDisposable {
  add: (commandId: string) => void
}

export function startSettlements(context: Context): Settlements {
  const waiting = new Set<string>()
  let closed = false
  let running: Promise<void> = Promise.resolve()

  const settleNext = async (commandId: string) => {
    waiting.delete(commandId)
    if (closed) return
    try {
      await settleLargeOutput(context, commandId)
    } catch (error) {
      // The deadlines try once more.
      context.log.error({ err: error, command: commandId }, 'an output could not be checked')
    }
  }

  return {
    add: (commandId) => {
      if (waiting.has(commandId)) return
      waiting.add(commandId)
      running = running.then(async () => await settleNext(commandId))
    },
    [Symbol.asyncDispose]: async () => {
      closed = true
      await running
    },
  }
}
