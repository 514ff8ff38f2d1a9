import type { Result } from '../../protocol/messages/replies.ts'
import type { RunningCommand } from '../operations/operation.ts'
import { readSpool } from './spool-reader.ts'
import { deleteSegments } from './spool-segments.ts'

/** What is known of a command in its directory, and whoever waits for it to become more. */
export interface OutputView extends Pick<RunningCommand, 'output' | 'ended'> {
  /** Output below `offset` can be read. */
  grow: (offset: number) => void
  /** It has ended; only the first end counts. */
  end: (result: Result) => void
  hasEnded: () => boolean
  /** Up to where it can be read, as far as is known here. */
  known: () => number
  /** Deletes what lies below in whole segments. */
  discardOutput: (belowOffset: number) => Promise<void>
}

export function createOutputView(directory: string): OutputView {
  const ended = Promise.withResolvers<Result>()
  const watchers = new Set<() => void>()
  let known = 0
  let hasEnded = false

  const wake = () => {
    for (const watcher of watchers) watcher()
    watchers.clear()
  }

  const untilMore = async (offset: number, signal: AbortSignal): Promise<number | null> => {
    // oxlint-disable-next-line no-unmodified-loop-condition -- grow() and end() change them meanwhile
    while (known <= offset && !hasEnded) {
      signal.throwIfAborted()
      const { promise, resolve } = Promise.withResolvers<void>()
      const wakeUp = () => resolve()
      watchers.add(wakeUp)
      signal.addEventListener('abort', wakeUp)
      await promise
      signal.removeEventListener('abort', wakeUp)
      watchers.delete(wakeUp)
    }
    signal.throwIfAborted()
    return known > offset ? known : null
  }

  return {
    ended: ended.promise,
    hasEnded: () => hasEnded,
    known: () => known,
    grow: (offset) => {
      known = Math.max(known, offset)
      wake()
    },
    end: (result) => {
      if (hasEnded) return
      hasEnded = true
      known = Math.max(known, result.outputBytes)
      ended.resolve(result)
      wake()
    },
    output: (fromOffset, signal) =>
      readSpool(directory, fromOffset, async (offset) => untilMore(offset, signal)),
    discardOutput: async (belowOffset) => deleteSegments(directory, belowOffset),
  }
}
