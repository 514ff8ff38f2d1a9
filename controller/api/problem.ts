import { STATUS_CODES } from 'node:http'
import type { z } from 'zod'
import { type ErrorCode, SaharaAgentError } from '../../protocol/errors.ts'
import { ZaqarError } from '../../protocol/zaqar/errors.ts'
import { type InvalidPart, RequestInvalidError } from '../errors.ts'
import type { Problem } from './resources.ts'

/**
 * Turns any error into a problem body (RFC 9457). One that is not of ours, and none of the HTTP server's about the
 * client's request, says nothing about itself: it is in the log.
 */
export function toProblem(error: unknown): z.output<typeof Problem> {
  if (error instanceof RequestInvalidError) {
    return describe(error.code, 400, error.message, error.parts)
  }
  if (error instanceof ZaqarError) return describe(error.code, 503, error.message)
  if (error instanceof SaharaAgentError) {
    return describe(error.code, statuses.get(error.code) ?? 500, error.message)
  }
  return fromServer(error) ?? describe('ERR_INTERNAL', 500, 'an unexpected error; see the log')
}

/** The statuses of our own codes; ones that are not here are the controller's own fault. */
const statuses: ReadonlyMap<ErrorCode, number> = new Map([
  ['ERR_API_UNAUTHORIZED', 401],
  ['ERR_BODY_TOO_LARGE', 413],
  ['ERR_CLUSTER_EXISTS', 409],
  ['ERR_CLUSTER_NOT_FOUND', 404],
  ['ERR_COMMAND_ENDED', 409],
  ['ERR_COMMAND_NOT_FOUND', 404],
  ['ERR_CONTENT_NOT_FOUND', 404],
  ['ERR_IDEMPOTENCY_CONFLICT', 409],
  ['ERR_INSTANCE_NOT_ENROLLED', 409],
  ['ERR_INSTANCE_NOT_FOUND', 404],
  ['ERR_LIMIT_REACHED', 429],
  ['ERR_OUTPUT_REMOVED', 410],
  ['ERR_ROUTE_NOT_FOUND', 404],
  ['ERR_STORE_WRITE', 507],
] as const)

function describe(
  code: ErrorCode,
  status: number,
  detail: string,
  errors?: readonly InvalidPart[],
): z.output<typeof Problem> {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    detail,
    ...(errors && errors.length > 0 ? { errors: [...errors] } : {}),
  }
}

/** What Fastify refuses by itself: a body that is too long, of another type, or cut. */
function fromServer(error: unknown): z.output<typeof Problem> | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('statusCode' in error)) return undefined
  const { code, statusCode } = error
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return describe(
      'ERR_BODY_TOO_LARGE',
      413,
      'the body is too long; send content with POST /v1/contents',
    )
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return describe(
      'ERR_REQUEST_INVALID',
      415,
      'send application/json, or application/octet-stream for bytes',
    )
  }
  const isClients = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
  return isClients ? describe('ERR_REQUEST_INVALID', statusCode, error.message) : undefined
}
