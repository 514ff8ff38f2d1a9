import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { Agent, request } from 'undici'
import type { z } from 'zod'
import { SaharaAgentError } from '../../../protocol/errors.ts'
import { Problem } from '../../api/resources.ts'
import {
  ControllerRefusedError,
  ControllerReplyUnparsableError,
  ControllerUnreachableError,
} from '../errors.ts'
import type { ControllerAddress } from './controller-address.ts'
import { describeAddress } from './controller-address.ts'
import { explainConnectionFailure } from './explain-connection-failure.ts'
import { explainRefusal } from './explain-refusal.ts'

/** One request to the API. */
export interface ApiRequest {
  method?: 'GET' | 'POST' | 'DELETE'
  /** The segments below `/v1`, not yet escaped. */
  path: readonly string[]
  query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** Sent as JSON. */
  json?: unknown
  /** Makes a POST safe to repeat: the same key and body again give the same answer again. */
  idempotencyKey?: string | undefined
  /** Sent as `application/octet-stream`. */
  bytes?: Uint8Array | AsyncIterable<Uint8Array>
  /** How long the answer may take to begin, in milliseconds; default 60 s. */
  headersTimeoutMs?: number
  signal?: AbortSignal | undefined
}

/** An answer as the API gave it (`text`), and what its schema made of it. */
export interface Answer<Value> {
  value: Value
  text: string
}

/** Speaks HTTP to one controller, over its Unix socket or TCP. */
export interface ApiConnection extends AsyncDisposable {
  /**
   * @throws {ControllerUnreachableError} no answer came.
   * @throws {ControllerRefusedError} the API said no.
   * @throws {ControllerReplyUnparsableError} the answer does not fit `schema`.
   */
  exchange: <Schema extends z.ZodType>(
    schema: Schema,
    request: ApiRequest,
  ) => Promise<Answer<z.output<Schema>>>
  /** For answers without a body. Throws as `exchange` does. */
  send: (request: ApiRequest) => Promise<void>
  /** The answer's body as it comes; it may pause for any time. Throws as `exchange` does, in the middle as well. */
  stream: (request: ApiRequest) => AsyncGenerator<Uint8Array, void>
}

/** Longest answer that is read whole, in bytes. */
const answerLimitBytes = 64 * 1024 ** 2

export function connectApi(address: ControllerAddress): ApiConnection {
  const dispatcher = new Agent(
    address.kind === 'socket' ? { connect: { socketPath: address.socketPath } } : {},
  )
  const begin = async (wanted: ApiRequest) => {
    try {
      const response = await request(urlOf(address, wanted), {
        dispatcher,
        method: wanted.method ?? 'GET',
        headers: headersOf(address, wanted),
        body: bodyOf(wanted),
        signal: wanted.signal ?? null,
        headersTimeout: wanted.headersTimeoutMs ?? 60_000,
        bodyTimeout: 0,
      })
      if (response.statusCode < 300) return response
      throw await refusal(response, address, wanted)
    } catch (error) {
      throw asConnectionError(error, address, wanted.signal)
    }
  }
  const exchange: ApiConnection['exchange'] = async (schema, wanted) => {
    const text = await readText((await begin(wanted)).body, address, wanted.signal)
    const parsed = schema.safeParse(parseJson(text))
    if (parsed.success) return { value: parsed.data, text: text.trimEnd() }
    const issue = parsed.error.issues.at(0)
    throw unparsable(address, `${issue?.path.join('.') || 'the answer'}: ${issue?.message}`)
  }
  return {
    exchange,
    send: async (wanted) => {
      await (await begin(wanted)).body.dump()
    },
    stream: async function* (wanted) {
      const { body } = await begin(wanted)
      try {
        yield* body
      } catch (error) {
        throw asConnectionError(error, address, wanted.signal)
      }
    },
    [Symbol.asyncDispose]: async () => {
      await dispatcher.destroy()
    },
  }
}

function urlOf(address: ControllerAddress, { path, query = {} }: ApiRequest): URL {
  const base = address.kind === 'socket' ? 'http://localhost' : address.url.replace(/\/+$/, '')
  const url = new URL(`${base}/v1/${path.map(encodeURIComponent).join('/')}`)
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(key, String(value))
  }
  return url
}

function headersOf(address: ControllerAddress, wanted: ApiRequest): Record<string, string> {
  const token = address.kind === 'url' ? address.token : null
  return {
    accept:
      'application/json, application/problem+json, application/x-ndjson, application/octet-stream',
    ...(token !== null && { authorization: `Bearer ${token}` }),
    ...(wanted.json !== undefined && { 'content-type': 'application/json' }),
    ...(wanted.idempotencyKey !== undefined && { 'idempotency-key': wanted.idempotencyKey }),
    ...(wanted.bytes !== undefined && { 'content-type': 'application/octet-stream' }),
  }
}

function bodyOf({ json, bytes }: ApiRequest): string | Uint8Array | Readable | null {
  if (json !== undefined) return JSON.stringify(json)
  if (bytes === undefined || bytes instanceof Uint8Array) return bytes ?? null
  return Readable.from(bytes, { objectMode: false })
}

async function refusal(
  { statusCode, body }: Dispatcher.ResponseData,
  address: ControllerAddress,
  sent: ApiRequest,
): Promise<Error> {
  const text = await readText(body, address)
  const problem = Problem.safeParse(parseJson(text))
  if (!problem.success) {
    return unparsable(address, `HTTP ${statusCode}: ${JSON.stringify(text.slice(0, 512))}`)
  }
  const { code } = problem.data
  return new ControllerRefusedError(explainRefusal(problem.data, address, sent), code, statusCode)
}

async function readText(
  body: AsyncIterable<Uint8Array>,
  address: ControllerAddress,
  signal?: AbortSignal,
): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.length
      if (size > answerLimitBytes) throw unparsable(address, 'the answer is longer than 64 MiB')
      chunks.push(chunk)
    }
  } catch (error) {
    throw asConnectionError(error, address, signal)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function unparsable(address: ControllerAddress, what: string): ControllerReplyUnparsableError {
  return new ControllerReplyUnparsableError(
    `what answers at ${describeAddress(address)} is no controller of this version: ${what}; ` +
      'check --socket or --url, and `sahara-controller --version` at both ends',
  )
}

/** Tells our own errors and an abort, which pass, from what the network says. */
function asConnectionError(
  error: unknown,
  address: ControllerAddress,
  signal: AbortSignal | undefined,
): unknown {
  if (error instanceof SaharaAgentError || signal?.aborted === true) return error
  if (!(error instanceof Error)) return error
  return new ControllerUnreachableError(explainConnectionFailure(error, address), { cause: error })
}
