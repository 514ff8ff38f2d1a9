/** What the gateway does with a request of an agent. */
export interface AgentRoute {
  queue: string
  /** A claim may be held; everything else is only handed through. */
  isClaim: boolean
}

const methodsOf = {
  claims: ['POST'],
  claim: ['PATCH', 'DELETE'],
  messages: ['GET', 'POST', 'DELETE'],
} as const

/**
 * Finds what an agent's request is about; undefined for all that no agent needs, which then gets no further: to a guest the
 * queue service consists of these few resources. Pure.
 *
 * @param path without the query.
 */
export function findAgentRoute(method: string, path: string): AgentRoute | undefined {
  const match =
    /^\/v2\/queues\/([A-Za-z0-9_-]{1,64})\/(claims|messages)(\/[A-Za-z0-9_-]{1,64})?$/.exec(path)
  if (match === null) return undefined
  const [, queue = '', collection, item] = match
  if (collection === 'messages' && item !== undefined) {
    return method === 'DELETE' ? { queue, isClaim: false } : undefined
  }
  const resource = collection === 'messages' ? 'messages' : item === undefined ? 'claims' : 'claim'
  const isKnown = methodsOf[resource].some((known) => known === method)
  return isKnown ? { queue, isClaim: resource === 'claims' } : undefined
}
