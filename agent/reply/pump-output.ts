import { abortable } from '../../protocol/abortable.ts'
import { chunkLimitBytes } from '../../protocol/messages/operations.ts'
import type { RunningCommand } from '../operations/operation.ts'
import { type Gathered, gatherOutput } from './gather-output.ts'

/** Where a command's output goes. */
export interface OutputSink {
  /** Resolves when the return queue has taken it. */
  postOutput: (piece: Gathered) => Promise<void>
  /** The return queue has taken all output below `offset`. */
  noteSent: (offset: number) => void
}

/** A pump at work. Neither promise goes unwatched. */
export interface OutputPump {
  /** All output has been handed to the sink: what is posted next comes behind it. */
  handedOver: Promise<void>
  /** The return queue has all of it. */
  sent: Promise<void>
}

/** Whole replies travel several at once, and one more is sealed meanwhile; a small one waits, and grows. */
const repliesUnderWay = 9
/**
 * So far the others may get ahead of one that the queue does not take: 16 MiB of whole replies. What the controller cannot join to what it has,
 * it keeps waiting, and drops beyond a bound of its own (64 MiB, or 10,000 pieces, unless set otherwise).
 */
const repliesAhead = 90

/**
 * Sends a command's output from `fromOffset` on, while it runs. Small chunks are joined while a POST is under way. At most
 * ten replies are in memory; beyond that nothing is pulled, and the output waits in its spool.
 *
 * @param signal its reason is what both promises reject with.
 */
export function pumpOutput(
  running: RunningCommand,
  fromOffset: number,
  sink: OutputSink,
  signal: AbortSignal,
): OutputPump {
  const handedOver = Promise.withResolvers<void>()
  const sent = pump(running, fromOffset, sink, signal, handedOver.resolve)
  sent.catch(handedOver.reject)
  handedOver.promise.catch(() => undefined)
  return { handedOver: handedOver.promise, sent }
}

async function pump(
  running: RunningCommand,
  fromOffset: number,
  sink: OutputSink,
  signal: AbortSignal,
  onHandedOver: () => void,
): Promise<void> {
  const gathered: Gathered[] = []
  const underWay = new Set<Promise<void>>()
  const started: Started[] = []
  let failure: { error: unknown } | undefined
  const spool = discardBeside(running, (error) => {
    failure ??= { error }
  })

  const send = async (piece: Gathered): Promise<void> => {
    const mine = { end: piece.offset + piece.sizeBytes, isTaken: false }
    started.push(mine)
    await sink.postOutput(piece)
    mine.isTaken = true
    const end = shiftTaken(started)
    if (end === undefined) return
    sink.noteSent(end)
    spool.discard(end)
  }
  const start = (piece: Gathered): void => {
    const sending = send(piece)
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => {
        underWay.delete(sending)
        startWhatMay()
      })
    underWay.add(sending)
  }
  const startWhatMay = (): void => {
    for (let [next] = gathered; next; [next] = gathered) {
      const isWhole = next.sizeBytes >= chunkLimitBytes || gathered.length > 1
      if (underWay.size >= (isWhole ? repliesUnderWay : 1)) return
      if (started.length >= repliesAhead) return
      gathered.shift()
      start(next)
    }
  }

  for await (const chunk of running.output(fromOffset, signal)) {
    gatherOutput(gathered, chunk, chunkLimitBytes)
    startWhatMay()
    while (gatheredBytes(gathered) >= chunkLimitBytes) {
      await abortable(Promise.race(underWay), signal)
    }
    if (failure) break
  }
  // What is left is less than one reply for each stream: it need not wait for the POST that is under way.
  for (const piece of gathered.splice(0)) start(piece)
  onHandedOver()
  while (underWay.size > 0) await abortable(Promise.race(underWay), signal)
  await abortable(spool.settled(), signal)
  signal.throwIfAborted()
  if (failure) throw failure.error
}

/** Discards while sending goes on: it asks the runner and looks into a directory, and of several words only the newest matters. */
function discardBeside(
  running: Pick<RunningCommand, 'discardOutput'>,
  onFailure: (error: unknown) => void,
): { discard: (below: number) => void; settled: () => Promise<void> } {
  let [wanted, done] = [0, 0]
  let atWork: Promise<void> | undefined
  const work = async (): Promise<void> => {
    try {
      while (done < wanted) {
        const below = wanted
        await running.discardOutput(below)
        done = below
      }
    } catch (error) {
      onFailure(error)
    } finally {
      atWork = undefined
    }
  }
  return {
    discard: (below) => {
      wanted = below
      atWork ??= work()
    },
    settled: async () => await atWork,
  }
}

interface Started {
  end: number
  isTaken: boolean
}

/**
 * Where the output ends that was taken without a hole, if further than before: pieces may be taken in another order than they
 * began, and one that is not taken must stay in the spool.
 */
function shiftTaken(started: Started[]): number | undefined {
  let end: number | undefined
  while (started[0]?.isTaken) end = started.shift()?.end
  return end
}

function gatheredBytes(gathered: readonly Gathered[]): number {
  return gathered.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
