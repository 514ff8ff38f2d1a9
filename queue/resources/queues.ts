import { type ApiReply, invalidBody, invalidRequest, notFound, Refusal } from '../http/api-reply.ts'
import type { ApiRequest, QueueApi } from '../http/api-request.ts'
import { parseBody } from '../http/parse-body.ts'
import { readFlag, readLimit } from '../http/read-query.ts'
import { type Metadata, showMetadata } from '../store/metadata.ts'
import { MetadataPatch, patchMetadata } from './patch-metadata.ts'

/** PUT /v2/queues/{q}: makes it. One that exists keeps the metadata that it has. */
export async function putQueue(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const text = await request.readBody(api.limits.maxMetadataBytes)
  const metadata = text.trim() === '' ? {} : parseBody(text, api.bodies.metadata)
  const { store } = api
  const isNew = store.change(() => {
    if (store.queues.find(request.queue) !== undefined) return false
    store.queues.create(request.queue, metadata)
    return true
  })
  await store.flushed()
  return { status: isNew ? 201 : 204, headers: { Location: request.path } }
}

/** GET /v2/queues/{q}: its metadata; a queue that does not exist has the defaults, as any queue may be posted to. */
export async function getQueue(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const { store } = api
  const metadata = store.look(() => store.queues.find(request.queue)?.metadata ?? {})
  await store.flushed()
  return { status: 200, body: JSON.stringify(showMetadata(metadata, api.limits)) }
}

/** DELETE /v2/queues/{q}: with all it holds; 204 also when there is none. */
export async function deleteQueue(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const { store } = api
  store.change(() => {
    const queue = store.queues.find(request.queue)
    if (queue !== undefined) store.queues.remove(queue)
  })
  await store.flushed()
  return { status: 204 }
}

/** PATCH /v2/queues/{q}: changes of single keys, all or none. */
export async function patchQueue(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const contentType = request.headers['content-type']?.split(';')[0]?.trim()
  if (contentType !== 'application/openstack-messaging-v2.0-json-patch') {
    throw new Refusal(
      415,
      'Unsupported media type',
      'The content type must be application/openstack-messaging-v2.0-json-patch.',
    )
  }
  const text = await request.readBody(api.limits.maxMetadataBytes)
  if (text.trim() === '') throw invalidBody('Request body could not be parsed.')
  const changes = parseBody(text, MetadataPatch)
  const { store } = api
  const metadata = store.change(() => {
    const queue = store.queues.find(request.queue)
    if (queue === undefined) throw notFound(`Queue ${request.queue.name} does not exist.`)
    const patched = patchMetadata(queue.metadata, changes, showMetadata({}, api.limits))
    store.queues.setMetadata(queue.key, checkMetadata(patched, api))
    return patched
  })
  await store.flushed()
  return { status: 200, body: JSON.stringify(showMetadata(metadata, api.limits)) }
}

function checkMetadata(metadata: Metadata, { limits, bodies }: QueueApi): Metadata {
  const text = JSON.stringify(metadata)
  if (Buffer.byteLength(text) > limits.maxMetadataBytes) {
    throw invalidRequest(`Queue metadata is too large. Max size: ${limits.maxMetadataBytes}`)
  }
  return parseBody(text, bodies.metadata)
}

/** GET /v2/queues: the project's queues by name. */
export async function listQueues(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const { query } = request
  const limit = readLimit(query, 'limit', api.limits.maxPageSize, api.limits.defaultPageSize)
  const isDetailed = readFlag(query, 'detailed')
  const isCounted = readFlag(query, 'with_count')
  const { project } = request.queue
  const { store } = api
  const found = store.look(() => ({
    page: store.queues.page(project, query.get('marker') ?? '', limit),
    count: isCounted ? store.queues.count(project) : undefined,
  }))
  await store.flushed()
  const queues = found.page.map(({ name, metadata }) => ({
    name,
    href: `/v2/queues/${name}`,
    ...(isDetailed ? { metadata: showMetadata(metadata, api.limits) } : {}),
  }))
  const links = linksBehind(request, queues.at(-1)?.name, limit)
  return { status: 200, body: JSON.stringify({ queues, links, count: found.count }) }
}

function linksBehind(request: ApiRequest, marker: string | undefined, limit: number) {
  if (marker === undefined) return []
  const query = new URLSearchParams(request.query)
  query.set('marker', marker)
  query.set('limit', String(limit))
  return [{ rel: 'next', href: `${request.path}?${query.toString()}` }]
}
