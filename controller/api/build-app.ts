import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Logger } from 'pino'
import { RequestInvalidError, RouteNotFoundError } from '../errors.ts'
import { toProblem } from './problem.ts'
import { createRequestSignals, type RequestSignals } from './request-signals.ts'
import type { Answer, Route } from './route.ts'

/** The largest JSON body, in bytes: a command of the largest inline size with the largest inline content. */
const bodyLimitBytes = 512 * 1024

/** What an app is made of. */
export interface AppOptions {
  routes: readonly Route[]
  /** The document at `/v1/openapi.json`. */
  openApi: Record<string, unknown>
  log: Logger
  /** Throws what a request without the right gets. */
  authorize: (request: FastifyRequest) => void
  /** PEM texts; the app speaks plain HTTP without. */
  tls?: { cert: string; key: string } | undefined
}

/** An HTTP server for the routes; it does not listen yet. `close` ends what still waits, and cuts what follows. */
export function buildApp(options: AppOptions): FastifyInstance {
  const app = createServer(options.tls)
  const signals = createRequestSignals()
  parseBodies(app)
  app.addHook('onRequest', async (request) => options.authorize(request))
  app.addHook('preClose', async () => signals.abortAll())
  app.setErrorHandler(async (error, request, reply) => {
    await sendProblem(reply, error, options.log, request)
  })
  app.setNotFoundHandler(async (request) => {
    const path = request.url.split('?').at(0)
    throw new RouteNotFoundError(`no ${request.method} ${path} here; see GET /v1/openapi.json`)
  })
  app.get('/v1/openapi.json', async () => options.openApi)
  for (const route of options.routes) addRoute(app, route, signals)
  return app
}

function createServer(tls: AppOptions['tls']): FastifyInstance {
  const common = {
    bodyLimit: bodyLimitBytes,
    // A waiting request may be open for minutes; slow headers may not.
    requestTimeout: 0,
    routerOptions: { maxParamLength: 256 },
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
  } as const
  return tls ? fastifyWithTls(common, tls) : fastify(common)
}

/** The type of a server with TLS differs in its sockets only, which nothing here looks at. */
function fastifyWithTls(common: object, https: { cert: string; key: string }): FastifyInstance {
  return fastify({ ...common, https })
}

function parseBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string' },
    async (_: FastifyRequest, text: string) => {
      if (text === '') return undefined
      try {
        return JSON.parse(text)
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause)
        // The parser quotes what it stumbled over, which may be a secret: only its position is passed on.
        const where = /position \d+/.exec(why)?.at(0)
        throw new RequestInvalidError(`the body is not JSON${where ? ` (at ${where})` : ''}`)
      }
    },
  )
  app.addContentTypeParser(
    'application/octet-stream',
    async (_: FastifyRequest, bytes: Readable) => bytes,
  )
}

function addRoute(app: FastifyInstance, route: Route, signals: RequestSignals): void {
  app.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    handler: async (request, reply) => {
      const params = new Map(Object.entries(Object(request.params)))
      const answer = await route.handle({
        param: (name) => String(params.get(name)),
        query: request.query,
        body: request.body ?? undefined,
        header: (name) => {
          const value = request.headers[name]
          return Array.isArray(value) ? value.join(', ') : value
        },
        signal: signals.of(reply),
      })
      return await sendAnswer(reply, answer)
    },
  })
}

async function sendAnswer(reply: FastifyReply, answer: Answer): Promise<FastifyReply> {
  reply.code(answer.status)
  if ('stream' in answer) {
    void reply.type(answer.contentType).send(answer.stream)
    // Who follows shall see that the request was taken, though there is nothing to read yet.
    reply.raw.flushHeaders()
    return reply
  }
  return 'json' in answer ? await reply.send(answer.json) : await reply.send()
}

async function sendProblem(
  reply: FastifyReply,
  error: unknown,
  log: Logger,
  request: FastifyRequest,
): Promise<void> {
  const problem = toProblem(error)
  if (problem.status === 500) {
    log.error(
      { err: error, method: request.method, route: request.routeOptions.url },
      'a request failed',
    )
  }
  if (problem.status === 413) await drain(request)
  await reply.code(problem.status).type('application/problem+json').send(problem)
}

/** So much of a body that is too long is read and dropped, in bytes. */
const drainLimitBytes = 16 * 2 ** 20

/**
 * A client in the middle of sending would see a broken pipe instead of the refusal: it is let finish, where it has said how
 * much is to come. Only for who has the right to ask.
 */
async function drain({ raw, headers }: FastifyRequest): Promise<void> {
  const announced = Number(headers['content-length'] ?? 0)
  if (raw.complete || raw.destroyed || announced === 0 || announced > drainLimitBytes) return
  raw.resume()
  await finished(raw, { writable: false }).catch(() => undefined)
}
