import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { readBody } from '../http/read-body.ts'
import type { QueueServiceLog } from '../queue-service-log.ts'
import type { KnownQueues } from './known-queues.ts'
import type { Upstream } from './upstream.ts'
import type { WaitingAgents } from './waiting-agents.ts'

/** What taking notifications needs. */
export interface NotificationParts {
  agents: WaitingAgents
  known: KnownQueues
  upstream: Upstream
  log: QueueServiceLog
}

/** A notification has the whole message in it; Zaqar's limit for one is 256 KiB, and an operator may raise it. */
const bodyLimit = 4 * 2 ** 20

const Notification = z.looseObject({
  Message_Type: z.literal('Notification').optional(),
  queue_name: z.string(),
})

const printable = z.string().regex(/^[\x20-\x7e]{1,1024}$/)

/** Where the operator has set `require_confirmation`; the URL is good for this one subscription. */
const Confirmation = z.looseObject({
  Message_Type: z.literal('SubscriptionConfirmation'),
  'URL-Signature': printable,
  'URL-Methods': z.literal('PUT'),
  'URL-Paths': z.string().regex(/^\/v2\/queues\/[\w-]{1,64}\/subscriptions\/[\w-]{1,64}\/confirm$/),
  'URL-Expires': printable,
  'X-Project-ID': printable,
})

/**
 * Takes what Zaqar posts to its subscribers. A notification only wakes: nothing of it is kept or believed, and who has no
 * agent waiting costs nothing. To wake somebody, one must know the 128 random bits in the name of his queue. Never rejects.
 */
export async function answerNotification(
  parts: NotificationParts,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (incoming.method === 'GET') {
    const health = { waiting_requests: parts.agents.size }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(health))
    return
  }
  try {
    response.writeHead(await take(parts, incoming)).end()
  } catch {
    // Too long, or broken off.
    response.writeHead(400, { connection: 'close' }).end()
  }
}

async function take(parts: NotificationParts, incoming: IncomingMessage): Promise<number> {
  if (incoming.method !== 'POST') return 405
  const body = parseJson(await readBody(incoming, bodyLimit))
  const notification = Notification.safeParse(body)
  if (notification.success) {
    const { queue_name: queue } = notification.data
    parts.known.noteAnnounced(queue)
    parts.agents.announce(queue)
    return 204
  }
  const confirmation = Confirmation.safeParse(body)
  return confirmation.success ? await confirm(parts, confirmation.data) : 400
}

async function confirm(
  { log, upstream }: NotificationParts,
  confirmation: z.output<typeof Confirmation>,
): Promise<number> {
  const { 'URL-Paths': path } = confirmation
  const { status } = await upstream.ask({
    method: 'PUT',
    path,
    headers: {
      'url-signature': confirmation['URL-Signature'],
      'url-expires': confirmation['URL-Expires'],
      'url-methods': confirmation['URL-Methods'],
      'url-paths': path,
      'x-project-id': confirmation['X-Project-ID'],
      // Any UUID will do.
      'client-id': '00000000-0000-4000-8000-000000000000',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ confirmed: true }),
  })
  if (status !== 204) log.warn({ status }, 'a subscription could not be confirmed')
  return status === 204 ? 204 : 502
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    return undefined
  }
}
