import type { IncomingMessage, ServerResponse } from 'node:http'
import { authorizeRequest, type Gate } from '../access/authorize-request.ts'
import type { QueueServiceLog } from '../queue-service-log.ts'
import { StorageFailure } from '../store/group-commit.ts'
import { QueueNameText } from '../store/metadata.ts'
import {
  type ApiReply,
  internalError,
  invalidRequest,
  noSuchRoute,
  Refusal,
  storageUnavailable,
} from './api-reply.ts'
import type { ApiRequest, QueueApi } from './api-request.ts'
import { checkHeaders } from './check-headers.ts'
import { ClientGone, readBody } from './read-body.ts'
import { findHandler, findRoute, type Route } from './routes.ts'

/** Answers one request; undefined when there is nobody left to answer. Never throws. */
export async function answerRequest(
  api: QueueApi,
  gate: Gate,
  log: QueueServiceLog,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<ApiReply | undefined> {
  try {
    const method = incoming.method ?? ''
    const [path, query] = splitOnce(incoming.url ?? '', '?')
    const route = letIn(gate, incoming, method, path)
    const handler = findHandler(route, method)
    if (route.isPublic || method === 'OPTIONS') return await handler(api, bareRequest(path))
    const { client, project } = checkHeaders(incoming.headers)
    if (route.queue !== '') checkQueueName(route.queue)
    return await handler(api, {
      queue: { project, name: route.queue },
      id: route.id,
      path,
      query: new URLSearchParams(query),
      headers: incoming.headers,
      client,
      readBody: (limitBytes) => readBody(incoming, limitBytes),
      isGone: () => response.destroyed || incoming.socket.destroyed,
      onGone: (act) => void response.once('close', act),
    })
  } catch (error) {
    return replyToError(error, log)
  }
}

/** Who may not come in learns nothing of what there is: only then is an unknown path told from a known one. */
function letIn(gate: Gate, incoming: IncomingMessage, method: string, path: string): Route {
  const route = findRoute(path)
  const isOpen = route !== undefined && (route.isPublic || method === 'OPTIONS')
  if (!isOpen) {
    const { queue, collection } = route ?? { queue: '', collection: '' }
    authorizeRequest(gate, incoming.headers, { method, queue, collection })
  }
  if (route === undefined) throw noSuchRoute()
  return route
}

function checkQueueName(name: string): void {
  if (QueueNameText.safeParse(name).success) return
  throw invalidRequest(
    'Queue names may be at most 64 characters long and only contain ASCII letters, digits, underscores, dashes and dots.',
  )
}

function bareRequest(path: string): ApiRequest {
  return {
    queue: { project: '', name: '' },
    id: '',
    path,
    query: new URLSearchParams(),
    headers: {},
    client: '',
    readBody: () => Promise.resolve(''),
    isGone: () => false,
    onGone: () => {},
  }
}

function replyToError(error: unknown, log: QueueServiceLog): ApiReply | undefined {
  if (error instanceof ClientGone) return undefined
  if (error instanceof Refusal) return error.reply
  if (error instanceof StorageFailure) {
    log.error({ err: error.cause }, 'the database did not take a change')
    return storageUnavailable
  }
  log.error({ err: error }, 'a request met an unknown error')
  return internalError
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
