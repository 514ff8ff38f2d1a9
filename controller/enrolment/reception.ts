import type { Hello } from '../../protocol/messages/enrolment.ts'
import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import { createSlots } from '../dispatch/slots.ts'
import type { Cluster } from '../store/clusters.ts'
import { answerHello } from './answer-hello.ts'

/** Answers hellos beside everything else: thousands of guests that boot together must not hold up replies. */
export interface Reception extends AsyncDisposable {
  /** @param done deletes the hello's message; without it the message comes back when its claim has run out. */
  receive: (cluster: Cluster, hello: Hello, done: () => Promise<void>) => void
}

/** Answers being made at once; each costs five requests to the queue service. */
const atOnce = 8

/** Hellos that wait for their turn; beyond it they stay on the queue. */
const waitingLimit = 512

export function openReception(
  context: Context,
  departures: Departures,
  onRenewal: (renewAt: Date) => void,
): Reception {
  const slots = createSlots(atOnce)
  const underWay = new Set<Promise<void>>()
  const stop = new AbortController()

  const answer = async (cluster: Cluster, hello: Hello, done: () => Promise<void>) => {
    if (stop.signal.aborted) return
    try {
      const renewAt = await answerHello(context, departures, cluster, hello, stop.signal)
      if (renewAt) onRenewal(renewAt)
      await done()
    } catch (error) {
      if (stop.signal.aborted) return
      context.log.warn({ err: error, cluster: cluster.name }, 'a hello could not be answered yet')
    }
  }

  return {
    receive: (cluster, hello, done) => {
      if (underWay.size >= waitingLimit) return
      const answering = slots
        .use(async () => await answer(cluster, hello, done))
        .finally(() => underWay.delete(answering))
      underWay.add(answering)
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.allSettled(underWay)
    },
  }
}
