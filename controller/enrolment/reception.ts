import type { Logger } from 'pino'
import type { Hello } from '../../protocol/messages/enrolment.ts'
import { ZaqarError } from '../../protocol/zaqar/errors.ts'
import { createSlots } from '../dispatch/slots.ts'
import { StoreWriteError } from '../errors.ts'
import type { Cluster } from '../store/clusters.ts'

/** Answers hellos beside everything else: thousands of guests that boot together must not hold up replies. */
export interface Reception extends AsyncDisposable {
  /** @param done deletes the hello's message; without it the message comes back when its claim has run out. */
  receive: (cluster: Cluster, hello: Hello, done: () => Promise<void>) => void
}

/** Answers being made at once; each costs five requests to the queue service. */
const atOnce = 8

/** Hellos that wait for their turn; beyond it they stay on the queue. */
const waitingLimit = 512

/** @param answerHello when the instance's credentials are to be renewed, if it got any; see `answer-hello.ts`. */
export function openReception(
  log: Logger,
  answerHello: (cluster: Cluster, hello: Hello, signal: AbortSignal) => Promise<Date | undefined>,
  onRenewal: (renewAt: Date) => void,
): Reception {
  const slots = createSlots(atOnce)
  const underWay = new Set<Promise<void>>()
  const stop = new AbortController()

  const answer = async (cluster: Cluster, hello: Hello, done: () => Promise<void>) => {
    if (stop.signal.aborted) return
    try {
      const renewAt = await answerHello(cluster, hello, stop.signal)
      if (renewAt) onRenewal(renewAt)
    } catch (error) {
      if (stop.signal.aborted) return
      const isPassing = error instanceof ZaqarError || error instanceof StoreWriteError
      const what = isPassing ? 'a hello could not be answered yet' : 'a hello cannot be answered'
      log.warn({ err: error, cluster: cluster.name }, what)
      if (isPassing) return
    }
    // Also what cannot be answered: kept, it would take up a place until its end. An honest agent says hello again.
    await done()
  }

  return {
    receive: (cluster, hello, done) => {
      if (underWay.size >= waitingLimit) return
      const answering = slots
        .use(cluster.id, async () => await answer(cluster, hello, done))
        .finally(() => underWay.delete(answering))
      underWay.add(answering)
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.allSettled(underWay)
    },
  }
}
