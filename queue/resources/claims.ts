import { type ApiReply, invalidBody, notFound } from '../http/api-reply.ts'
import type { ApiRequest, QueueApi } from '../http/api-request.ts'
import { parseBody } from '../http/parse-body.ts'
import { readLimit } from '../http/read-query.ts'
import type { ClaimRequest } from '../store/claims.ts'
import { StorageFailure } from '../store/group-commit.ts'
import { holdUntilFound } from './hold-until-found.ts'
import { randomUuid } from './random-uuid.ts'
import type { RequestBodies } from './request-bodies.ts'
import { ageSeconds, showMessage } from './show-message.ts'

/** POST .../claims: takes the oldest free messages; 204 when there are none. Waits if asked to. */
export async function createClaim(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const { limits } = api
  const limit = readLimit(request.query, 'limit', limits.maxPageSize, limits.defaultPageSize)
  const text = await request.readBody(limits.maxMetadataBytes)
  const times = readTimes(text.trim() === '' ? '{}' : text, api.bodies)
  const wish = { limit, ...times }
  return holdUntilFound(api, request, {
    takes: true,
    find: () => claimNow(api, request, wish),
    nothing: () => ({ status: 204 }),
  })
}

function readTimes(text: string, bodies: RequestBodies) {
  const { ttl, grace } = parseBody(text, bodies.claim)
  return { ttlSeconds: ttl, graceSeconds: grace }
}

function claimNow(
  api: QueueApi,
  request: ApiRequest,
  wish: Omit<ClaimRequest, 'id'>,
): ApiReply | undefined {
  const { store } = api
  // A look costs no transaction: most claims of an idle agent find nothing.
  const queue = store.look((now) => {
    const found = store.queues.find(request.queue)
    return found && store.messages.hasFree(found.key, now) ? found : undefined
  })
  if (queue === undefined) return undefined
  return store.change((now) => {
    const id = randomUuid(api.world)
    const claim = store.claims.make(queue, { id, ...wish }, now)
    if (claim === undefined) return undefined
    // Only the key lives on with the reply, not the messages.
    const { key, messages } = claim
    const showing = { queueName: queue.name, now }
    const shown = messages
      .map((message) => showMessage(message, showing))
      // `join` would copy all of it once more than V8 does by itself.
      .reduce((before, message) => `${before},${message}`)
    return {
      status: 201,
      body: `{"messages":[${shown}]}`,
      headers: { Location: `${request.path}/${id}` },
      onUndelivered: () => {
        try {
          store.change(() => store.claims.takeBack(key))
        } catch (error) {
          // A full disk: the claim ends by its own time.
          if (!(error instanceof StorageFailure)) throw error
        }
      },
    }
  })
}

/** GET .../claims/{id} */
export async function getClaim(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const { store } = api
  const body = store.look((now) => {
    const queue = store.queues.find(request.queue)
    const claim = queue && store.claims.find(queue.key, request.id, now)
    if (claim === undefined) return undefined
    const showing = { queueName: request.queue.name, now }
    const held = store.claims.held(claim.key, now)
    const shown = held.map((message) => showMessage(message, showing)).join(',')
    const href = `/v2/queues/${request.queue.name}/claims/${claim.id}`
    return `{"age":${ageSeconds(claim.renewedAt, now)},"ttl":${claim.ttlSeconds},"href":"${href}","messages":[${shown}]}`
  })
  await store.flushed()
  if (body === undefined) throw claimNotFound(request)
  return { status: 200, body }
}

/** PATCH .../claims/{id}: the claim's time begins anew. What the body leaves out takes its default, not its old value. */
export async function renewClaim(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const text = await request.readBody(api.limits.maxMetadataBytes)
  if (text.trim() === '') throw invalidBody('Request body could not be parsed.')
  const { ttlSeconds, graceSeconds } = readTimes(text, api.bodies)
  const { store } = api
  store.change((now) => {
    const queue = store.queues.find(request.queue)
    const claim = queue && store.claims.find(queue.key, request.id, now)
    if (claim === undefined) throw claimNotFound(request)
    store.claims.renew(claim.key, ttlSeconds, graceSeconds, now)
  })
  await store.flushed()
  return { status: 204 }
}

/** DELETE .../claims/{id}: its messages can be claimed again at once. */
export async function releaseClaim(api: QueueApi, request: ApiRequest): Promise<ApiReply> {
  const { store } = api
  store.change((now) => {
    const queue = store.queues.find(request.queue)
    const claim = queue && store.claims.find(queue.key, request.id, now)
    if (claim !== undefined) store.claims.release(claim.key)
  })
  await store.flushed()
  return { status: 204 }
}

function claimNotFound(request: ApiRequest) {
  return notFound(`Claim ${request.id} does not exist or has expired.`)
}
