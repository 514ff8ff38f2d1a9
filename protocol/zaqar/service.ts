import { z } from 'zod'
import { formatExpiry, SignedUrl } from '../signed-url/signed-url.ts'
import { queuePath } from './paths.ts'
import type { CallOptions, Transport } from './transport.ts'

/** What a signed URL is to allow on one queue: each method on each path. */
export interface ShareGrant {
  paths: readonly ('messages' | 'claims' | 'subscriptions')[]
  methods: readonly ('GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE')[]
  /** Whole seconds, rounded down. It cannot be revoked before. */
  expires: Date
}

/** A version of the API that the service speaks. */
export interface ApiVersion {
  id: string
  /** `CURRENT`, `SUPPORTED` or `DEPRECATED`. */
  status: string
}

/** A document whose shape is the service's own affair. */
export type ServiceDocument = Record<string, unknown>

/** What can be asked of the service itself. Errors: see `errors.ts`. */
export interface ServiceCalls {
  /** Mints a signed URL; needs a token. The queue need not exist. */
  shareQueue: (queue: string, grant: ShareGrant, options?: CallOptions) => Promise<SignedUrl>
  /** Resolves when the service and its store work. @throws {QueueUnavailableError} */
  ping: (options?: CallOptions) => Promise<void>
  /** How the service's parts are; for administrators only. @throws {ForbiddenError} */
  getHealth: (options?: CallOptions) => Promise<ServiceDocument>
  /** The home document (JSON-home): which resources there are. */
  getHome: (options?: CallOptions) => Promise<ServiceDocument>
  /** The versions of the API. */
  getVersions: (options?: CallOptions) => Promise<ApiVersion[]>
}

/** The calls about the service, over a transport. */
export function serviceCalls(send: Transport): ServiceCalls {
  return {
    shareQueue: async (queue, { paths, methods, expires }, options) => {
      const path = queuePath(queue, 'share')
      const body = JSON.stringify({ paths, methods, expires: formatExpiry(expires) })
      const action = `mint a signed URL for queue "${queue}"`
      const answer = await send({ action, method: 'POST', path, body, expect: [200] }, options)
      return answer.parse(SignedUrl)
    },
    ping: async (options) => {
      const call = { action: 'ping the queue service', method: 'GET', path: '/v2/ping' } as const
      await send({ ...call, expect: [204] }, options)
    },
    getHealth: async (options) => {
      const call = { action: 'read the health', method: 'GET', path: '/v2/health' } as const
      return (await send({ ...call, expect: [200] }, options)).parse(Document)
    },
    getHome: async (options) => {
      // Without its last slash this path is a 404.
      const call = { action: 'read the home document', method: 'GET', path: '/v2/' } as const
      return (await send({ ...call, expect: [200] }, options)).parse(Document)
    },
    getVersions: async (options) => {
      const call = { action: 'read the versions', method: 'GET', path: '/' } as const
      // 300 Multiple Choices is the answer that is documented.
      return (await send({ ...call, expect: [200, 300] }, options)).parse(Versions)
    },
  }
}

const Document = z.record(z.string(), z.unknown())

const Versions = z
  .looseObject({ versions: z.array(z.looseObject({ id: z.string(), status: z.string() })) })
  .transform(({ versions }): ApiVersion[] => versions.map(({ id, status }) => ({ id, status })))
