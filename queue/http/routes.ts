import { createClaim, getClaim, releaseClaim, renewClaim } from '../resources/claims.ts'
import {
  deleteMessage,
  deleteMessages,
  getMessage,
  listMessages,
  postMessages,
} from '../resources/messages.ts'
import { getStats, purgeQueue, shareQueue } from '../resources/queue-actions.ts'
import { deleteQueue, getQueue, listQueues, patchQueue, putQueue } from '../resources/queues.ts'
import { getHealth, getHome, getVersions, ping } from '../resources/service-info.ts'
import { Refusal } from './api-reply.ts'
import type { Handler } from './api-request.ts'

type Methods = Readonly<Record<string, Handler>>

/** A path that was recognised. */
export interface Route {
  methods: Methods
  /** The name of the queue in the path; empty where there is none. */
  queue: string
  /** The collection that a signed URL may lead to; empty where none does. */
  collection: string
  id: string
  /** Open to everybody: no token, no Client-ID, no project. */
  isPublic: boolean
}

const root: Methods = { GET: getVersions }

const serviceRoutes = new Map<string, Methods>([
  ['', { GET: getHome }],
  ['ping', { GET: ping, HEAD: ping }],
  ['health', { GET: getHealth }],
  ['queues', { GET: listQueues }],
])

const queueMethods: Methods = {
  GET: getQueue,
  PUT: putQueue,
  PATCH: patchQueue,
  DELETE: deleteQueue,
}

const queueRoutes = new Map<string, Methods>([
  ['stats', { GET: getStats }],
  ['purge', { POST: purgeQueue }],
  ['share', { POST: shareQueue }],
  ['messages', { GET: listMessages, POST: postMessages, DELETE: deleteMessages }],
  ['claims', { POST: createClaim }],
])

const itemRoutes = new Map<string, Methods>([
  ['messages', { GET: getMessage, DELETE: deleteMessage }],
  ['claims', { GET: getClaim, PATCH: renewClaim, DELETE: releaseClaim }],
])

const signable = new Set(['messages', 'claims'])

/**
 * Takes a path apart, once: what authorises and what serves a request read the same segments.
 *
 * @returns undefined when there is no such resource.
 */
export function findRoute(path: string): Route | undefined {
  if (path === '/') return aRoute(root, { isPublic: true })
  const [empty, version, ...segments] = decodeSegments(path)
  const [first = '', queue = '', collection = '', id = ''] = segments
  if (empty !== '' || version !== 'v2' || segments.length === 0) return undefined
  if (segments.length === 1) return aRoute(serviceRoutes.get(first))
  if (first !== 'queues' || segments.includes('')) return undefined
  if (segments.length === 2) return aRoute(queueMethods, { queue })
  const isItem = segments.length === 4
  if (segments.length > 4) return undefined
  return aRoute((isItem ? itemRoutes : queueRoutes).get(collection), {
    queue,
    collection: signable.has(collection) ? collection : '',
    id: id.toLowerCase(),
  })
}

/**
 * The handler for a method.
 *
 * @throws {Refusal} 405, with the methods that there are.
 */
export function findHandler(route: Route, method: string): Handler {
  if (method === 'OPTIONS') return () => ({ status: 200, headers: { Allow: allowOf(route) } })
  const handler = Object.hasOwn(route.methods, method) ? route.methods[method] : undefined
  if (handler !== undefined) return handler
  throw new Refusal(405, '405 Method Not Allowed', undefined, { Allow: allowOf(route) })
}

function allowOf(route: Route): string {
  return [...Object.keys(route.methods), 'OPTIONS'].join(', ')
}

function aRoute(methods: Methods | undefined, fields: Partial<Route> = {}): Route | undefined {
  return methods && { methods, queue: '', collection: '', id: '', isPublic: false, ...fields }
}

function decodeSegments(path: string): string[] {
  const segments = path.split('/')
  if (!path.includes('%')) return segments
  try {
    return segments.map((segment) => decodeURIComponent(segment))
  } catch {
    return []
  }
}
