import type { FastifyReply } from 'fastify'

/** A signal for each request: aborted when its client goes away, or the server stops. */
export interface RequestSignals {
  of: (reply: FastifyReply) => AbortSignal
  abortAll: () => void
}

export function createRequestSignals(): RequestSignals {
  const open = new Set<AbortController>()
  return {
    of: (reply) => {
      const controller = new AbortController()
      open.add(controller)
      // Also after an answer that was sent whole, when nobody listens any more.
      reply.raw.once('close', () => {
        open.delete(controller)
        controller.abort('the request is over')
      })
      return controller.signal
    },
    abortAll: () => {
      for (const controller of open) controller.abort()
    },
  }
}
