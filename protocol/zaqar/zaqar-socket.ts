import type { Socket } from 'node:net'
import { Agent, buildConnector, type MessageEvent, WebSocket } from 'undici'
import { z } from 'zod'
import { abortable } from '../abortable.ts'
import type { World } from '../world.ts'
import {
  BadRequestError,
  ConflictError,
  ForbiddenError,
  NotFoundError,
  QueueUnavailableError,
  QueueUnreachableError,
  ReplyUnparsableError,
  UnauthorizedError,
  type ZaqarError,
} from './errors.ts'
import { quoteForeignText } from './quote-foreign-text.ts'
import { withDeadline } from './with-deadline.ts'

/** A WebSocket to Zaqar, open and authenticated. */
export interface ZaqarSocket extends AsyncDisposable {
  /**
   * Has every message that is posted on `queue` from now on announced by `onAnnounced`, for as long as this socket is
   * open, but no longer than `ttlSeconds`. Announcements are wake-ups: they may be lost, and one may come a moment before
   * its message can be claimed, as Zaqar announces a message before it stores it.
   *
   * @throws {ZaqarError}
   */
  subscribe: (queue: string, ttlSeconds: number, signal?: AbortSignal) => Promise<void>
  /** Resolves when the service still answers. @throws {ZaqarError} */
  ping: (signal?: AbortSignal) => Promise<void>
  /** Resolves when the socket is closed, whoever closed it; `authenticationEnded` when the token's time was over. */
  closed: Promise<{ code: number; authenticationEnded: boolean }>
}

export interface ZaqarSocketOptions {
  /** ws or wss, from the catalogue's `messaging-websocket`. */
  url: string
  /** A UUID. */
  clientId: string
  /** The token's project. */
  projectId: string
  token: string
  /** A message was posted on this queue. */
  onAnnounced: (queue: string) => void
  /** PEM certificates, all that are to be trusted. Default: the system's. */
  trusted?: readonly string[] | undefined
  /** For the connection, and for each answer, in milliseconds. Default 15 000. */
  requestTimeoutMs?: number
}

/** Zaqar closes the socket with this code when the token's time is over. */
const authenticationEndedCode = 4003

/** Stands in errors for a socket of whose end we had heard before (RFC 6455 section 7.1.5). */
const closedAlready = 1006

/** An announcement carries the whole message, of which a POST may bring 256 KiB by default, and each byte may be escaped. */
const maxFrameBytes = 16 * 1024 * 1024

/**
 * Connects and authenticates. A holder of signed URLs gets nowhere here: stock Zaqar lets it neither claim nor subscribe.
 *
 * @throws {QueueUnreachableError} no connection, or no answer in time.
 * @throws {UnauthorizedError} the token is refused; get another one.
 */
export async function openZaqarSocket(
  options: ZaqarSocketOptions,
  world: Pick<World, 'sleep'>,
  signal?: AbortSignal,
): Promise<ZaqarSocket> {
  const { clientId, projectId, token, requestTimeoutMs = 15_000 } = options
  const connection = connectSocket(options)
  const waiting: Waiting[] = []
  connection.socket.addEventListener('message', (event) => {
    receive(event, waiting, options.onAnnounced)
  })
  const closed = connection.closed.then((end) => {
    for (const { reject, action } of waiting.splice(0)) reject(cutOff(action, end.code))
    return end
  })

  /** Answers come in the order of the requests, and name none. */
  const ask = async (
    action: string,
    request: { action: string; headers?: object; body?: object },
    outer: AbortSignal | undefined,
  ): Promise<void> => {
    const late = () =>
      new QueueUnreachableError(action, 'timeout', `no answer within ${requestTimeoutMs} ms`)
    const bounds = { limitMs: requestTimeoutMs, signal: outer, onTimeout: late }
    try {
      await withDeadline(
        async (inner) => {
          await abortable(connection.opened, inner)
          // On a closed socket nothing is sent, and nothing says so.
          if (connection.socket.readyState !== WebSocket.OPEN) throw cutOff(action, closedAlready)
          const answered = Promise.withResolvers<void>()
          waiting.push({ action, resolve: answered.resolve, reject: answered.reject })
          const headers = { 'Client-ID': clientId, 'X-Project-ID': projectId, ...request.headers }
          connection.socket.send(JSON.stringify({ ...request, headers }))
          await abortable(answered.promise, inner)
        },
        bounds,
        world,
      )
    } catch (error) {
      // What comes next could be taken for the answer to another request.
      if (!isAnswer(error)) connection.cut()
      throw error
    }
  }

  try {
    const headers = { 'X-Auth-Token': token }
    await ask('authenticate on the WebSocket', { action: 'authenticate', headers }, signal)
  } catch (error) {
    connection.cut()
    throw error
  }
  return {
    subscribe: async (queue, ttlSeconds, outer) => {
      const body = { queue_name: queue, ttl: ttlSeconds }
      const action = `subscribe to queue "${queue}" on the WebSocket`
      await ask(action, { action: 'subscription_create', body }, outer)
    },
    ping: async (outer) => {
      const request = { action: 'queue_list', body: { limit: 1 } }
      await ask('ping the queue service on the WebSocket', request, outer)
    },
    closed,
    [Symbol.asyncDispose]: async () => {
      connection.cut()
      await closed
    },
  }
}

interface Waiting {
  action: string
  resolve: () => void
  reject: (error: Error) => void
}

interface Connection {
  socket: WebSocket
  opened: Promise<void>
  closed: ZaqarSocket['closed']
  /** Ends it without asking the other end, which may be dead. */
  cut: () => void
}

function connectSocket({ url, trusted }: ZaqarSocketOptions): Connection {
  const sockets = new Set<Socket>()
  const connect = buildConnector({ timeout: 10_000, ...(trusted ? { ca: [...trusted] } : {}) })
  const dispatcher = new Agent({
    webSocket: { maxPayloadSize: maxFrameBytes },
    connect: (options, callback) =>
      connect(options, (...result) => {
        const [, socket] = result
        if (socket) sockets.add(socket)
        callback(...result)
      }),
  })
  const socket = new WebSocket(url, { dispatcher })
  const opened = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<{ code: number; authenticationEnded: boolean }>()
  socket.addEventListener('open', () => opened.resolve())
  socket.addEventListener('error', () => undefined)
  socket.addEventListener('close', ({ code }) => {
    opened.reject(cutOff('open a WebSocket', code))
    closed.resolve({ code, authenticationEnded: code === authenticationEndedCode })
    for (const raw of sockets) raw.destroy()
    dispatcher.destroy().catch(() => undefined)
  })
  opened.promise.catch(() => undefined)
  const cut = () => {
    if (socket.readyState < WebSocket.CLOSING) socket.close(1000)
    for (const raw of sockets) raw.destroy()
  }
  return { socket, opened: opened.promise, closed: closed.promise, cut }
}

const Frame = z.union([
  z.looseObject({ request: z.unknown(), headers: z.looseObject({ status: z.int() }) }),
  z.looseObject({ Message_Type: z.string(), queue_name: z.string() }),
])
const FailureBody = z.looseObject({ body: z.looseObject({ error: z.string() }) })

/** Answers repeat the whole request, the token included: nothing of a frame but its error text goes into a message. */
function receive(
  { data }: MessageEvent,
  waiting: Waiting[],
  onAnnounced: (queue: string) => void,
): void {
  const frame = Frame.safeParse(parseFrame(data))
  if (!frame.success) {
    waiting.shift()?.reject(new ReplyUnparsableError('use the WebSocket', 'a frame does not fit'))
    return
  }
  if ('queue_name' in frame.data) {
    onAnnounced(String(frame.data.queue_name))
    return
  }
  const answered = waiting.shift()
  const { status } = frame.data.headers
  if (status >= 200 && status < 300) answered?.resolve()
  else answered?.reject(explainStatus(answered.action, status, frame.data))
}

function parseFrame(data: unknown): unknown {
  try {
    return typeof data === 'string' ? JSON.parse(data) : undefined
  } catch {
    return undefined
  }
}

function explainStatus(action: string, status: number, frame: unknown): ZaqarError {
  const text = FailureBody.safeParse(frame).data?.body.error ?? ''
  const problem = `status ${status} ${quoteForeignText(text, [])}`.trim()
  if (status === 401) return new UnauthorizedError(action, problem, { status })
  if (status === 403) return new ForbiddenError(action, problem, { status })
  if (status === 404) return new NotFoundError(action, problem, { status })
  if (status === 409) return new ConflictError(action, problem, { status })
  if (status >= 500) return new QueueUnavailableError(action, problem, { status })
  return new BadRequestError(action, problem, { status })
}

function cutOff(action: string, code: number): QueueUnreachableError {
  return new QueueUnreachableError(action, 'reset', `the WebSocket closed with code ${code}`)
}

/** A refusal that came as an answer leaves the socket in order. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && 'status' in error && typeof error.status === 'number'
}
