import { z } from 'zod'
import { signUrl } from '../../protocol/signed-url/sign-url.ts'
import { readIsoMoment } from '../access/iso-moment.ts'
import { type ApiReply, invalidBody, invalidRequest } from '../http/api-reply.ts'
import type { ApiRequest, QueueApi } from '../http/api-request.ts'
import { parseBody } from '../http/parse-body.ts'
import { ageSeconds } from './show-message.ts'

/** GET .../stats: zeros for a queue that does not exist. */
export async function getStats(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const { store } = api
  const messages = store.look((now) => {
    const queue = store.queues.find(request.queue)
    if (queue === undefined) return { claimed: 0, free: 0, total: 0 }
    const { free, claimed, oldest, newest } = store.stats(queue.key, now)
    const show = (message: typeof oldest) =>
      message && {
        href: `/v2/queues/${queue.name}/messages/${message.id}`,
        age: ageSeconds(message.postedAt, now),
        created: new Date(message.postedAt).toISOString().replace(/\.\d+/, ''),
      }
    return { claimed, free, total: free + claimed, oldest: show(oldest), newest: show(newest) }
  })
  await store.flushed()
  return { status: 200, body: JSON.stringify({ messages }) }
}

const PurgeBody = z.object({
  resource_types: z
    .array(z.enum(['messages', 'subscriptions']))
    .default(['messages', 'subscriptions']),
})

/** POST .../purge: empties the queue. There are no subscriptions to remove. */
export async function purgeQueue(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const text = await request.readBody(api.limits.maxMetadataBytes)
  const { resource_types: types } = parseBody(text.trim() === '' ? '{}' : text, PurgeBody)
  const { store } = api
  if (types.includes('messages')) {
    store.change(() => {
      const queue = store.queues.find(request.queue)
      if (queue !== undefined) store.queues.purge(queue)
    })
    await store.flushed()
  }
  return { status: 204 }
}

const ShareBody = z.strictObject({
  paths: z
    .array(z.enum(['messages', 'claims', 'subscriptions']))
    .min(1)
    .default(['messages']),
  // A comma in a name would sign more methods than the list shows.
  methods: z
    .array(z.string().regex(/^[A-Z]+$/, 'must be a method in upper case'))
    .min(1)
    .default(['GET']),
  expires: z.string().exactOptional(),
})

const dayMs = 86_400_000

/** POST .../share: signs a URL for parts of this queue; never reached with a signed URL. */
export async function shareQueue(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const text = await request.readBody(api.limits.maxMetadataBytes)
  if (text.trim() === '') throw invalidBody('Request body could not be parsed.')
  const { paths, methods, expires } = parseBody(text, ShareBody)
  const now = api.world.now()
  const grant = {
    paths: paths.map((path) => `/v2/queues/${request.queue.name}/${path}`),
    methods,
    project: request.queue.project,
    expires: expires === undefined ? new Date(now.getTime() + dayMs) : readExpiry(expires, now),
  }
  return { status: 200, body: JSON.stringify(signUrl(grant, api.signingKey)) }
}

function readExpiry(text: string, now: Date): Date {
  const expires = readIsoMoment(text)
  if (expires === undefined) throw invalidRequest('expires: must be a moment in ISO 8601.')
  if (expires <= now) throw invalidRequest('expires: must be in the future.')
  return expires
}
