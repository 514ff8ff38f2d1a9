import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ApiReply, invalidRequest, notFound, Refusal } from '../http/api-reply.ts'
import type { ApiRequest, QueueApi } from '../http/api-request.ts'
import { parseBody } from '../http/parse-body.ts'
import { readFlag, readIds, readLimit } from '../http/read-query.ts'
import type { QueueLimits } from '../queue-options.ts'
import type { Deletion, NewMessage, PageRequest } from '../store/messages.ts'
import type { QueueSettings } from '../store/metadata.ts'
import { holdUntilFound } from './hold-until-found.ts'
import { showMessage, showPopped } from './show-message.ts'

/** POST .../messages: stores them in order, all or none; makes the queue if there is none. */
export async function postMessages(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const ids = storeMessages(api, request, await request.readBody(api.limits.maxPostBytes))
  await api.store.flushed()
  // Whoever waited for this is answered first: there the time counts.
  if (api.waiting.size > 0) await nextTurn()
  const resources = ids.map((id) => `${request.path}/${id}`)
  return { status: 201, body: JSON.stringify({ resources }) }
}

/** Apart, so that no text of a body lives on while the flush is waited for. */
function storeMessages(api: QueueApi, request: ApiRequest, text: string): string[] {
  const posted = parseBody(text, api.bodies.postMessages).messages
  const { store } = api
  return store.change((now) => {
    const queue = store.queues.findOrCreate(request.queue)
    const { settings } = queue
    const messages = posted.map((message) => applyDefaults(message, settings))
    // Written anew a body may be longer than it came: 9e20 becomes 21 digits.
    const keptBytes = messages.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0)
    if (Math.max(Buffer.byteLength(text), keptBytes) > settings.maxPostBytes) {
      throw invalidRequest(
        `Message collection size is too large. Max size ${settings.maxPostBytes}`,
      )
    }
    store.freed(queue.key)
    return messages.map((message) => store.messages.insert(queue.key, request.client, message, now))
  })
}

function applyDefaults(
  message: { body?: unknown; ttl?: number; delay?: number },
  settings: QueueSettings,
): NewMessage {
  return {
    body: JSON.stringify(message.body),
    ttlSeconds: message.ttl ?? settings.messageTtlSeconds,
    // Zaqar's rule: a queue without a default delay does not delay at all.
    delaySeconds: settings.delaySeconds > 0 ? (message.delay ?? settings.delaySeconds) : 0,
  }
}

/** GET .../messages: a page in order, or, with `ids`, just those. */
export async function listMessages(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const ids = readIds(request.query, 'ids', api.limits.maxPageSize)
  if (ids !== undefined) return getMessages(api, request, ids)
  const page = readPage(api.limits, request)
  const { store } = api
  return holdUntilFound(api, request, {
    takes: false,
    find: () =>
      store.look((now) => {
        const queue = store.queues.find(request.queue)
        if (queue === undefined) return undefined
        const found = store.messages.page(queue.key, page, now)
        const last = found.at(-1)
        if (last === undefined) return undefined
        const showing = { queueName: queue.name, now }
        const shown = found.map((message) => showMessage(message, showing)).join(',')
        const links = JSON.stringify([{ rel: 'next', href: nextHref(request, page, last.id) }])
        return { status: 200, body: `{"messages":[${shown}],"links":${links}}` }
      }),
    nothing: () => ({ status: 200, body: '{"messages":[],"links":[]}' }),
  })
}

function readPage(limits: QueueLimits, request: ApiRequest): PageRequest {
  const { query } = request
  const marker = query.get('marker')?.toLowerCase() ?? ''
  return {
    limit: readLimit(query, 'limit', limits.maxPageSize, limits.defaultPageSize),
    // Only an id has a place in the queue; anything else stands before the beginning.
    marker: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(marker) ? marker : '',
    exceptClient: readFlag(query, 'echo') ? undefined : request.client,
    includeClaimed: readFlag(query, 'include_claimed'),
    includeDelayed: readFlag(query, 'include_delayed'),
  }
}

function nextHref(request: ApiRequest, page: PageRequest, marker: string): string {
  const query = new URLSearchParams(request.query)
  query.set('marker', marker)
  query.set('limit', String(page.limit))
  return `${request.path}?${query.toString()}`
}

async function getMessages(api: QueueApi, request: ApiRequest, ids: string[]): Promise<ApiReply> {
  const { store } = api
  const shown = store.look((now) => {
    const queue = store.queues.find(request.queue)
    if (queue === undefined) return []
    return ids
      .map((id) => store.messages.find(queue.key, id, now))
      .filter((message) => message !== undefined)
      .map((message) => showMessage(message, { queueName: queue.name, now }))
  })
  await store.flushed()
  if (shown.length === 0) throw notFound('None of the messages exists.')
  return { status: 200, body: `{"messages":[${shown.join(',')}]}` }
}

/** GET .../messages/{id} */
export async function getMessage(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const { store } = api
  const shown = store.look((now) => {
    const queue = store.queues.find(request.queue)
    const message = queue && store.messages.find(queue.key, request.id, now)
    return message && showMessage(message, { queueName: request.queue.name, now })
  })
  await store.flushed()
  if (shown === undefined) throw notFound(`Message ${request.id} does not exist.`)
  return { status: 200, body: shown }
}

/** DELETE .../messages/{id}: who deletes a claimed message must name its claim. Deleting twice is safe. */
export async function deleteMessage(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const { store } = api
  const claimId = request.query.get('claim_id')?.toLowerCase()
  const deletion = store.change((now): Deletion => {
    const queue = store.queues.find(request.queue)
    return queue === undefined ? 'gone' : store.messages.delete(queue, request.id, claimId, now)
  })
  await store.flushed()
  return replyToDeletion(deletion)
}

function replyToDeletion(deletion: Deletion): ApiReply {
  switch (deletion) {
    case 'gone':
      return { status: 204 }
    case 'claimed':
    case 'claimed-by-another':
      throw new Refusal(
        403,
        'Unable to delete',
        'This message is claimed; it cannot be deleted without a valid claim ID.',
      )
    case 'unknown-claim':
      throw invalidRequest('The specified claim does not exist or has expired.')
    case 'not-claimed':
      throw invalidRequest('A claim was specified, but the message is not currently claimed.')
  }
}

/** DELETE .../messages?ids= or ?pop=: the first looks at no claim, the second gives out what it removes. */
export async function deleteMessages(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const { query } = request
  const ids = readIds(query, 'ids', api.limits.maxPageSize)
  if ((ids === undefined) === (query.get('pop') === null)) {
    throw invalidRequest('Exactly one of the parameters "ids" and "pop" must be given.')
  }
  if (ids === undefined) {
    return popMessages(api, request, readLimit(query, 'pop', api.limits.maxPageSize, 1))
  }
  const { store } = api
  store.change((now) => {
    const queue = store.queues.find(request.queue)
    if (queue === undefined) return
    for (const id of ids) {
      const message = store.messages.place(queue.key, id, now)
      if (message !== undefined) store.messages.remove(message.key)
    }
  })
  await store.flushed()
  return { status: 204 }
}

async function popMessages(api: QueueApi, request: ApiRequest, limit: number): Promise<ApiReply> {
  const { store } = api
  api.waiting.serve()
  const shown = store.change((now) => {
    const queue = store.queues.find(request.queue)
    const popped = queue === undefined ? [] : store.messages.free(queue.key, now, limit)
    for (const message of popped) store.messages.remove(message.key)
    return popped.map((message) => showPopped(message, now))
  })
  await store.flushed()
  return { status: 200, body: `{"messages":[${shown.join(',')}]}` }
}
