import type { IncomingHttpHeaders } from 'node:http'
import type { World } from '../../protocol/world.ts'
import type { QueueLimits } from '../queue-options.ts'
import type { RequestBodies } from '../resources/request-bodies.ts'
import type { Store } from '../store/open-store.ts'
import type { QueueName } from '../store/queues.ts'
import type { WaitingRoom } from '../waiting/waiting-room.ts'
import type { ApiReply } from './api-reply.ts'

/** What the resources work with. */
export interface QueueApi {
  store: Store
  waiting: WaitingRoom<ApiReply>
  limits: QueueLimits
  bodies: RequestBodies
  world: World
  /** Signs and verifies URLs; never in the database, a log or a reply. */
  signingKey: string
}

/** A request that was let in: authorised, and with all its common headers in order. */
export interface ApiRequest {
  /** The queue it is about; its name is empty on resources that are about none. */
  queue: QueueName
  /** The last segment where the resource has one: the id of a message or a claim. */
  id: string
  /** Without the query. */
  path: string
  query: URLSearchParams
  headers: IncomingHttpHeaders
  /** The Client-ID, in lower case without dashes. */
  client: string
  /** Resolves to the body as text; refuses one over `limitBytes`. */
  readBody: (limitBytes: number) => Promise<string>
  isGone: () => boolean
  onGone: (act: () => void) => void
}

export type Handler = (api: QueueApi, request: ApiRequest) => ApiReply | Promise<ApiReply>
