import { randomBytes, randomUUID } from 'node:crypto'
import { Agent } from 'undici'
import { z } from 'zod'
import type { Service } from './queue-services.ts'

/** The least that a client can do, so that what is measured is the service: no retries, no schema for what it does not use. */
export interface QueueClient extends AsyncDisposable {
  /** Posts so many messages in one request. */
  post: (queue: string, count?: number) => Promise<void>
  /** @returns the ids that it got; none when there is nothing, after the wait. */
  claim: (queue: string, limit: number, waitSeconds?: number) => Promise<string[]>
  delete: (queue: string, ids: readonly string[]) => Promise<void>
  /** Reads the first page of ten. */
  list: (queue: string) => Promise<void>
  drop: (queue: string) => Promise<void>
}

const Claimed = z.looseObject({ messages: z.array(z.looseObject({ id: z.string() })) })
const ttlSeconds = 3600

/** A client whose messages have bodies of so many bytes, with up to so many requests at once. */
export function createQueueClient(
  { url, headers, closesConnections }: Service,
  bodyBytes: number,
  connections: number,
): QueueClient {
  const dispatcher = new Agent({ connections, pipelining: closesConnections ? 0 : 1 })
  const message = { ttl: ttlSeconds, body: randomBytes((bodyBytes * 3) / 4).toString('base64') }
  const common = { ...headers, 'Client-ID': randomUUID(), 'Content-Type': 'application/json' }
  const posts = new Map<number, string>()
  const send = async (method: Method, path: string, body?: string, more?: typeof common) => {
    const answer = await dispatcher.request({
      origin: url,
      path: `/v2/queues/${path}`,
      method,
      headers: { ...common, ...more },
      body: body ?? null,
    })
    const text = await answer.body.text()
    if (answer.statusCode < 300) return text
    throw new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 200)}`)
  }
  return {
    post: async (queue, count = 1) => {
      const known = posts.get(count)
      const body =
        known ?? JSON.stringify({ messages: Array.from({ length: count }, () => message) })
      posts.set(count, body)
      await send('POST', `${queue}/messages`, body)
    },
    claim: async (queue, limit, waitSeconds) => {
      const wait =
        waitSeconds === undefined ? undefined : { ...common, Prefer: `wait=${waitSeconds}` }
      const text = await send('POST', `${queue}/claims?limit=${limit}`, claimTimes, wait)
      if (text === '') return []
      return Claimed.parse(JSON.parse(text)).messages.map(({ id }) => id)
    },
    delete: async (queue, ids) => {
      await send('DELETE', `${queue}/messages?ids=${ids.join(',')}`)
    },
    list: async (queue) => {
      await send('GET', `${queue}/messages?limit=10&echo=true`)
    },
    drop: async (queue) => {
      await send('DELETE', queue)
    },
    [Symbol.asyncDispose]: async () => await dispatcher.destroy(),
  }
}

type Method = 'GET' | 'POST' | 'DELETE'

const claimTimes = JSON.stringify({ ttl: 300, grace: 60 })
