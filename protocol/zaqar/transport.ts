import type { Dispatcher } from 'undici'
import type { z } from 'zod'
import type { World } from '../world.ts'
import { type Auth, authorize, type Credentials } from './authorize.ts'
import { BadRequestError, NotFoundError, QueueUnreachableError } from './errors.ts'
import { explainConnectionFailure } from './explain-connection-failure.ts'
import { explainRefusal } from './explain-refusal.ts'
import { parseReply } from './parse-reply.ts'
import { type Reply, readReply } from './read-reply.ts'
import { withDeadline } from './with-deadline.ts'

/** What every method takes beside its own arguments. */
export interface CallOptions {
  /** Gives the call up; it rejects with the signal's reason. Whether it took effect is then unknown. */
  signal?: AbortSignal | undefined
  /** Used instead of the client's own: an agent has one signed URL per right. */
  auth?: Auth | undefined
  /** Told when the head of an answer is there; its body may take long. */
  onHead?: (() => void) | undefined
}

/** A claim as a request names it. */
export interface ClaimRef {
  readonly claimId: string
  /**
   * When the claim ends by our own monotonic clock, in milliseconds. With it, stock Zaqar's 503 for a
   * claim that has run out is told from an outage.
   */
  readonly deadlineMs?: number | undefined
}

/** One request to the service. */
interface Call {
  /** Completes "cannot ..." in an error, such as `claim messages of queue "q"`. */
  action: string
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** From `/v2` on, with its query. */
  path: string
  /** The statuses that are an answer; all others are a refusal. */
  expect: readonly number[]
  /** A 404 that says "this is not here", not "you may not", is an answer as well. */
  orNotFound?: boolean
  /** A JSON text. */
  body?: string
  headers?: Readonly<Record<string, string>>
  /**
   * Doing it twice is not the same as doing it once: it is never repeated here. All others are, once, when
   * the connection was cut: a server may close a warm one just as we use it (RFC 9112 section 9.3.1).
   */
  isOnce?: boolean
  claim?: ClaimRef | undefined
  deletesMessage?: boolean
  /** How long the server may hold the request open, in seconds. */
  waitSeconds?: number | undefined
}

/** An expected answer. */
export interface Answer extends Omit<Reply, 'bytes'> {
  /** @throws {ReplyUnparsableError} */
  parse: <Schema extends z.ZodType>(schema: Schema) => z.output<Schema>
}

/** Sends requests, each with its credentials and within its time. */
export type Transport = (call: Call, options?: CallOptions) => Promise<Answer>

/** A transport's settings, already checked. */
export interface TransportSettings {
  origin: string
  /** The endpoint's own path, before `/v2`; empty or without a slash at its end. */
  prefix: string
  clientId: string
  projectId: string
  auth: Auth
  dispatcher: Dispatcher
  requestTimeoutMs: number
  maxReplyBytes: number
  onServerTime?: ((serverTime: Date | undefined) => void) | undefined
}

/** Makes a transport. It holds nothing open but the dispatcher's connections. */
export function createTransport(settings: TransportSettings, world: World): Transport {
  return async (call, options = {}) => {
    const { reply, credentials } = await sendAuthorized(call, options, settings, world)
    const { action, claim, deletesMessage } = call
    const { secrets, signedUrl } = credentials
    if (!call.expect.includes(reply.status)) {
      const refusal = explainRefusal(reply, {
        action,
        secrets,
        signedUrl,
        claim: claim && { isPastDeadline: isPastDeadline(claim, reply) },
        deletesMessage,
        now: world.now(),
      })
      if (!(call.orNotFound && refusal instanceof NotFoundError)) throw refusal
    }
    return { ...reply, parse: (schema) => parseReply(schema, reply, { action, secrets }) }
  }
}

/** Sends a request; a token that is refused is replaced once. */
async function sendAuthorized(
  call: Call,
  { signal, auth: ownAuth, onHead }: CallOptions,
  settings: TransportSettings,
  world: World,
): Promise<{ reply: Reply; credentials: Credentials }> {
  signal?.throwIfAborted()
  const auth = ownAuth ?? settings.auth
  const credentials = await authorize(auth, settings.projectId, { signal })
  const reply = await sendUncut(call, credentials, { signal, onHead }, settings, world)
  if (reply.status !== 401 || credentials.token === undefined) return { reply, credentials }
  const renewed = await authorize(auth, settings.projectId, {
    refusedToken: credentials.token,
    signal,
  })
  const secondReply = await sendUncut(call, renewed, { signal, onHead }, settings, world)
  const secrets = [...credentials.secrets, ...renewed.secrets]
  return { reply: secondReply, credentials: { ...renewed, secrets } }
}

async function sendUncut(...request: Parameters<typeof sendOnce>): Promise<Reply> {
  try {
    return await sendOnce(...request)
  } catch (error) {
    const [call] = request
    const isCut = error instanceof QueueUnreachableError && error.reason === 'reset'
    if (call.isOnce || !isCut) throw error
    return sendOnce(...request)
  }
}

async function sendOnce(
  call: Call,
  credentials: Credentials,
  { signal: outerSignal, onHead }: Pick<CallOptions, 'signal' | 'onHead'>,
  settings: TransportSettings,
  world: World,
): Promise<Reply> {
  const { action } = call
  const waitSeconds = requireWait(call)
  const limitMs = settings.requestTimeoutMs + waitSeconds * 1000
  const onTimeout = () =>
    new QueueUnreachableError(action, 'timeout', `no whole answer within ${limitMs} ms`)
  const reply = await withDeadline(
    async (signal) => {
      try {
        const response = await settings.dispatcher.request(
          writeRequest(call, credentials, signal, settings),
        )
        onHead?.()
        return await readReply(response, { action, limitBytes: settings.maxReplyBytes }, world)
      } catch (error) {
        throw explainConnectionFailure(action, error)
      }
    },
    { limitMs, signal: outerSignal, onTimeout },
    world,
  )
  settings.onServerTime?.(reply.serverTime)
  return reply
}

function writeRequest(
  call: Call,
  credentials: Credentials,
  signal: AbortSignal,
  { origin, prefix, clientId }: TransportSettings,
): Dispatcher.RequestOptions {
  return {
    origin,
    path: prefix + call.path,
    method: call.method,
    headers: {
      Accept: 'application/json',
      'Client-ID': clientId,
      ...(call.body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(call.waitSeconds ? { Prefer: `wait=${call.waitSeconds}` } : {}),
      ...credentials.headers,
      ...call.headers,
    },
    body: call.body ?? null,
    signal,
    // The deadline bounds the whole; undici's own timeouts would cut a long poll.
    headersTimeout: 0,
    bodyTimeout: 0,
  }
}

function requireWait({ action, waitSeconds = 0 }: Call): number {
  if (Number.isSafeInteger(waitSeconds) && waitSeconds >= 0) return waitSeconds
  throw new BadRequestError(action, `waitSeconds is a whole number from 0, not ${waitSeconds}`)
}

function isPastDeadline({ deadlineMs }: ClaimRef, { receivedAtMs }: Reply): boolean {
  return deadlineMs !== undefined && receivedAtMs >= deadlineMs
}
