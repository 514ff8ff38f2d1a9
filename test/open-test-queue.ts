import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { z } from 'zod'
import type { World } from '../protocol/world.ts'
import type { QueueServiceOptions } from '../queue/queue-options.ts'
import { openQueueService } from '../queue/serve-queue.ts'
import { type FakeWorld, fakeWorld } from './fake-world.ts'

/** A reply as a test looks at it. */
export interface TestReply {
  status: number
  headers: Record<string, string | string[] | undefined>
  /** The parsed JSON; undefined where there is no body. */
  body: unknown
}

export interface TestRequest {
  body?: unknown
  /** Instead of `body`: sent as it is. */
  text?: string | Buffer
  headers?: Record<string, string>
  signal?: AbortSignal
}

export type TestQueue = Awaited<ReturnType<typeof openTestQueue>>

/** Client-ID of a test's usual client, and of another one. */
export const aClient = '3381af92-2b9e-11e3-b191-71861300734c'
export const anotherClient = '0b7e3c52-6a41-4a0e-9a35-0d8a4f2b6c11'

/**
 * A queue service on a port of its own, over a database in a directory of its own, with a clock that
 * stands still; all of it is gone after `await using`.
 */
export async function openTestQueue(
  options: Partial<z.input<typeof QueueServiceOptions>> = {},
  world: World & Partial<FakeWorld> = fakeWorld(),
) {
  const directory = await mkdtemp(join(tmpdir(), 'sahara-queue-'))
  const database = options.database ?? join(directory, 'queue.db')
  const service = await openQueueService({ port: 0, ...options, database }, world)
  const dispatcher = new Agent({ connections: null, bodyTimeout: 0, headersTimeout: 0 })

  const send = async (
    method: string,
    path: string,
    { body, text, headers = {}, signal }: TestRequest = {},
  ): Promise<TestReply> => {
    const payload = text ?? (body === undefined ? undefined : JSON.stringify(body))
    const reply = await request(`${service.url}${path}`, {
      method: Method.parse(method),
      headers: withDefaults(headers, service.token),
      dispatcher,
      ...(payload === undefined ? {} : { body: payload }),
      ...(signal === undefined ? {} : { signal }),
    })
    const replyText = await reply.body.text()
    const parsed: unknown = replyText === '' ? undefined : JSON.parse(replyText)
    return { status: reply.statusCode, headers: reply.headers, body: parsed }
  }

  return {
    service,
    database,
    send,
    /** Posts one message per body. */
    post: async (queue: string, ...bodies: unknown[]) => {
      const messages = bodies.map((body) => ({ body }))
      const reply = await send('POST', `/v2/queues/${queue}/messages`, { body: { messages } })
      return z.object({ resources: z.array(z.string()) }).parse(reply.body).resources
    },
    [Symbol.asyncDispose]: async () => {
      await service[Symbol.asyncDispose]()
      await dispatcher.destroy()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const Method = z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** An empty value takes a default header away. */
function withDefaults(given: Record<string, string>, token: string | undefined) {
  const defaults = {
    'client-id': aClient,
    'x-project-id': 'p1',
    ...(token === undefined ? {} : { 'x-auth-token': token }),
  }
  return Object.fromEntries(
    Object.entries({ ...defaults, ...given }).filter(([, value]) => value !== ''),
  )
}

const Messages = z.object({
  messages: z.array(
    z.looseObject({
      id: z.string(),
      href: z.string().optional(),
      body: z.unknown(),
      ttl: z.number(),
      age: z.number(),
    }),
  ),
})

/** The messages of a list, a claim or a pop; none where the reply has no body. */
export function messagesOf(reply: TestReply) {
  return reply.body === undefined ? [] : Messages.parse(reply.body).messages
}

/** The bodies of the messages in a reply. */
export function bodiesOf(reply: TestReply): unknown[] {
  return messagesOf(reply).map(({ body }) => body)
}

/** Where a reply's Location header leads. */
export function locationOf(reply: TestReply): string {
  return z.string().parse(reply.headers['location'])
}
