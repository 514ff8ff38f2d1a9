import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import tls from 'node:tls'
import { Agent, type Dispatcher } from 'undici'
import type { QueueServiceLog } from '../queue-service-log.ts'
import type { GatewayOptions } from './gateway-options.ts'

/** A request as it goes on to the queue service. */
export interface ForwardedRequest {
  method: string
  /** With its query. */
  path: string
  headers: Readonly<Record<string, string>>
  body?: string
}

/** What the queue service answered, whole. */
export interface UpstreamAnswer {
  status: number
  headers: Readonly<Record<string, string>>
  body: Uint8Array
}

/** The queue service behind the gateway. */
export interface Upstream extends AsyncDisposable {
  /** Never rejects: where nobody answers, the answer is a 502. */
  ask: (request: ForwardedRequest) => Promise<UpstreamAnswer>
  /** Hands a request and its answer through as they come. @throws when either side breaks off. */
  pass: (request: ForwardedRequest, from: IncomingMessage, to: ServerResponse) => Promise<void>
}

/** For the head of an answer, and between two pieces of it. */
const patienceMs = 30_000
/** Twenty messages of Zaqar's limit are 5 MiB. */
const answerLimitBytes = 16 * 2 ** 20

/** All that a holder of signed URLs needs; Zaqar believes some other headers more than it should, so they go no further. */
const forwardedHeaders = [
  'url-signature',
  'url-expires',
  'url-methods',
  'url-paths',
  'x-project-id',
  'client-id',
  'content-type',
  'accept',
]

const answeredHeaders = [
  'content-type',
  'location',
  'date',
  'retry-after',
  'allow',
  'www-authenticate',
]

/** Prepares the connection; nothing is sent yet. */
export function openUpstream(options: GatewayOptions, log: QueueServiceLog): Upstream {
  const { upstream, upstreamCertificateAuthority: authority, upstreamConnections } = options
  const { origin, protocol, pathname } = new URL(upstream)
  const prefix = pathname.replace(/\/+$/, '')
  const trusted =
    authority === undefined ? {} : { ca: [...tls.getCACertificates('default'), authority] }
  const dispatcher = new Agent({
    connections: upstreamConnections,
    // A plain Zaqar closes after each answer, and under uwsgi without saying so: a claim sent into such a connection is lost
    // together with its messages, for as long as it holds. A proxy that brings TLS keeps connections, and is worth it.
    pipelining: protocol === 'https:' ? 1 : 0,
    connect: { timeout: 10_000, ...trusted },
  })
  const noteHealth = createHealthLog(log)
  const send = async (request: ForwardedRequest, body: string | IncomingMessage | null) => {
    const { method, path, headers } = request
    return await dispatcher.request({
      origin,
      path: prefix + path,
      method: toMethod(method),
      headers,
      body,
      headersTimeout: patienceMs,
      bodyTimeout: patienceMs,
    })
  }
  return {
    ask: async (request) => {
      try {
        const answer = await readWhole(await send(request, request.body ?? null))
        noteHealth(undefined)
        return answer
      } catch (error) {
        noteHealth(error)
        return unreachable
      }
    },
    pass: async (request, from, to) => {
      const hasBody = from.headers['content-length'] !== undefined
      const answer = await send(request, hasBody ? from : null).catch((error: unknown) => {
        noteHealth(error)
      })
      if (answer === undefined) {
        to.writeHead(unreachable.status, unreachable.headers).end(unreachable.body)
        return
      }
      const length = answer.headers['content-length']
      const headers = pick(answer.headers, answeredHeaders)
      if (typeof length === 'string') headers['content-length'] = length
      to.sendDate = false
      to.writeHead(answer.statusCode, headers)
      await pipeline(answer.body, to)
    },
    [Symbol.asyncDispose]: async () => await dispatcher.destroy(),
  }
}

/** Of an agent's request, what the queue service may see. */
export function pickForwarded(headers: IncomingHttpHeaders): Record<string, string> {
  return pick(headers, forwardedHeaders)
}

const unreachable: UpstreamAnswer = {
  status: 502,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(
    JSON.stringify({
      title: 'Service temporarily unavailable',
      description: 'The gateway got no answer from the queue service behind it.',
    }),
  ),
}

function toMethod(method: string): 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' {
  switch (method) {
    case 'GET':
    case 'POST':
    case 'PUT':
    case 'PATCH':
    case 'DELETE':
      return method
    default:
      throw new Error(`the gateway forwards no ${method}`)
  }
}

async function readWhole({
  statusCode,
  headers,
  body,
}: Dispatcher.ResponseData): Promise<UpstreamAnswer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) throw new Error('the queue service sent no bytes')
    size += chunk.length
    if (size > answerLimitBytes) throw new Error('the answer of the queue service is too long')
    chunks.push(chunk)
  }
  return {
    status: statusCode,
    headers: pick(headers, answeredHeaders),
    body: Buffer.concat(chunks),
  }
}

function pick(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const value = headers[name]
    if (typeof value === 'string') picked[name] = value
  }
  return picked
}

/** An outage concerns thousands of requests; its beginning and its end are one line each. */
function createHealthLog(log: QueueServiceLog): (error: unknown) => void {
  let isReachable = true
  return (error) => {
    if ((error === undefined) === isReachable) return
    isReachable = error === undefined
    if (isReachable) log.info({}, 'the queue service answers again')
    else log.warn({ err: error }, 'no answer from the queue service; agents go around the gateway')
  }
}
