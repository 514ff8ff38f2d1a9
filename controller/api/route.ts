import type { Readable } from 'node:stream'
import { z } from 'zod'
import { parseRequest } from './parse-request.ts'

/** What a handler gives back. */
export type Answer =
  | { status: number; json: unknown }
  | { status: number; stream: Readable; contentType: string }
  | { status: 204 }

/** A request, with what its route has parsed. */
interface RouteRequest<Query, Body> {
  /** The variable parts of the path. */
  param: (name: string) => string
  query: Query
  body: Body
  header: (name: string) => string | undefined
  /** Aborted when the client goes away, or the server stops. */
  signal: AbortSignal
}

/** One answer of a route, for the API's description. */
export interface AnswerDoc {
  description: string
  schema?: z.ZodType
  contentType?: string
}

/** A route as it is written down. */
interface RouteDefinition<Query extends z.ZodType, Body extends z.ZodType> {
  method: 'GET' | 'POST' | 'DELETE'
  /** With variable parts in braces, as in OpenAPI. */
  path: string
  summary: string
  query: Query
  body: Body
  /** Headers that mean something here, with what they mean. */
  headers?: Readonly<Record<string, string>>
  answers: Readonly<Record<number, AnswerDoc>>
  run: (request: RouteRequest<z.output<Query>, z.output<Body>>) => Promise<Answer>
}

/** A route, whatever its schemas are. */
export interface Route extends Omit<RouteDefinition<z.ZodType, z.ZodType>, 'run'> {
  /** @throws {RequestInvalidError} query or body break their schemas; and whatever the route throws. */
  handle: (request: RouteRequest<unknown, unknown>) => Promise<Answer>
}

/** For a route that takes no query. */
export const noQuery = z.strictObject({})

/** For a route that takes no body. */
export const noBody = z.undefined({ error: 'must be empty' })

/** A body of bytes, as a stream. */
export const ByteStream = z.custom<AsyncIterable<Uint8Array>>(
  (value) => typeof value === 'object' && value !== null && Symbol.asyncIterator in value,
  'must be bytes, sent as application/octet-stream',
)

/** Says what a route takes, gives and does; query and body are parsed before it runs. */
export function route<Query extends z.ZodType, Body extends z.ZodType>(
  definition: RouteDefinition<Query, Body>,
): Route {
  const { run, ...described } = definition
  return {
    ...described,
    handle: async (request) =>
      await run({
        ...request,
        query: parseRequest(definition.query, request.query, 'query'),
        body: parseRequest(definition.body, request.body, 'body'),
      }),
  }
}

/** An answer in JSON, written as its schema has it on the wire. */
export function json<T extends z.ZodType>(status: number, schema: T, value: z.output<T>): Answer {
  return { status, json: z.encode(schema, value) }
}
