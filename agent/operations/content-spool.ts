import { rm } from 'node:fs/promises'
import type { Result } from '../../protocol/messages/replies.ts'
import type { OutputView } from '../runner/output-view.ts'
import { listSegments, segmentBytes, segmentPath } from '../runner/spool-segments.ts'
import { createSpoolWriter } from '../runner/spool-writer.ts'
import type { OperationsOptions } from './begin-command.ts'
import type { RunningCommand } from './operation.ts'

/** What a spool has been fed with: all bytes, and their digest. */
export type ContentTally = Pick<Result, 'outputBytes' | 'streams'>

/**
 * Lets `produce` put bytes on the stream `content`, through the command's spool: at the pace at which the return queue takes
 * them, and what is sent is what was digested.
 *
 * @throws what `produce` throws, and what the disk does.
 */
export async function spoolContent<T>(
  directory: string,
  { spoolLimitBytes }: Pick<OperationsOptions, 'spoolLimitBytes'>,
  { pace, signal, view }: { pace: Pace; signal: AbortSignal; view: OutputView },
  produce: (take: (bytes: Uint8Array) => Promise<void>) => Promise<T>,
): Promise<{ produced: T; tally: ContentTally }> {
  let problem: unknown
  const spool = createSpoolWriter({
    directory,
    limitBytes: spoolLimitBytes,
    segmentBytes: Math.min(segmentBytes, Math.ceil(spoolLimitBytes / 4)),
    onWritten: view.grow,
    onRoom: pace.goOn,
    onFailure: (error) => {
      problem = error
      pace.goOn()
    },
  })
  pace.follow(spool.discard)
  spool.append('content', new Uint8Array())
  const take = async (bytes: Uint8Array) => {
    if (problem !== undefined) throw problem
    spool.append('content', bytes)
    while (spool.isFull()) await pace.room(signal)
  }
  try {
    const produced = await produce(take)
    const tally = await spool.finish()
    if (problem !== undefined) throw problem
    return { produced, tally }
  } finally {
    await spool.finish()
  }
}

/** Forgets what an earlier run has put into the spool. */
export async function clearSpool(directory: string): Promise<void> {
  for (const start of await listSegments(directory)) {
    await rm(segmentPath(directory, start), { force: true })
  }
}

/** Holds whoever produces back while the spool is full, and tells the spool what has been sent. */
export interface Pace {
  room: (signal: AbortSignal) => Promise<void>
  goOn: () => void
  follow: (discard: (belowOffset: number) => void) => void
  discard: (belowOffset: number) => void
}

export function createPace(): Pace {
  let waiting: (() => void) | undefined
  let discard: ((belowOffset: number) => void) | undefined
  let discardedOffset = 0
  const goOn = () => waiting?.()
  return {
    goOn,
    room: async (signal) => {
      signal.throwIfAborted()
      const { promise, resolve } = Promise.withResolvers<void>()
      const wake = () => resolve()
      waiting = wake
      signal.addEventListener('abort', wake)
      await promise
      signal.removeEventListener('abort', wake)
      signal.throwIfAborted()
    },
    follow: (tellSpool) => {
      discard = tellSpool
      tellSpool(discardedOffset)
    },
    discard: (belowOffset) => {
      discardedOffset = Math.max(discardedOffset, belowOffset)
      discard?.(discardedOffset)
    },
  }
}

/** A command whose discarding sets the pace. */
export function paced(running: RunningCommand, pace: Pace, fromStart: boolean): RunningCommand {
  return {
    ...running,
    output: (fromOffset, signal) => {
      // After a restart, what was sent before is not waited for a second time, or the spool would fill up with it.
      if (!fromStart) pace.discard(fromOffset)
      return running.output(fromOffset, signal)
    },
    discardOutput: async (belowOffset) => {
      await running.discardOutput(belowOffset)
      pace.discard(belowOffset)
    },
  }
}
