import { z } from 'zod'
import packageJson from '../../package.json' with { type: 'json' }
import * as resources from './resources.ts'
import { type AnswerDoc, ByteStream, noBody, noQuery, type Route } from './route.ts'

/** The API as an OpenAPI 3.1 document, made from the very routes and schemas that serve it. */
export function describeApi(routes: readonly Route[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: describeRoute(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'sahara-controller',
      version: packageJson.version,
      license: { name: 'Apache-2.0' },
    },
    security: [{}, { token: [] }],
    paths,
    components: {
      schemas: describeSchemas(),
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
}

function describeRoute(route: Route): Record<string, unknown> {
  const answers = Object.entries(route.answers).map(([status, answer]) => [
    status,
    describeAnswer(answer),
  ])
  const requestBody = describeBody(route.body)
  return {
    summary: route.summary,
    parameters: [...pathParameters(route), ...queryParameters(route), ...headerParameters(route)],
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: {
      ...Object.fromEntries(answers),
      default: {
        description: 'what went wrong',
        content: { 'application/problem+json': { schema: refTo('Problem') } },
      },
    },
  }
}

function pathParameters({ path }: Route) {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
}

function queryParameters({ query }: Route) {
  if (query === noQuery || !(query instanceof z.ZodObject)) return []
  return Object.entries(query.shape).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !z.safeParse(z.object({ value: schema }), {}).success,
    schema: writeSchema(schema),
  }))
}

function headerParameters({ headers = {} }: Route) {
  return Object.entries(headers).map(([name, description]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }))
}

function describeBody(body: z.ZodType): Record<string, unknown> | undefined {
  if (body === noBody) return undefined
  if (body === ByteStream) {
    return { required: true, content: { 'application/octet-stream': { schema: {} } } }
  }
  const required = !body.safeParse(undefined).success
  return { required, content: { 'application/json': { schema: schemaOrRef(body) } } }
}

function describeAnswer({ description, schema, contentType = 'application/json' }: AnswerDoc) {
  if (schema === undefined) return { description }
  return { description, content: { [contentType]: { schema: schemaOrRef(schema) } } }
}

const named: ReadonlyMap<unknown, string> = new Map(
  Object.entries(resources).flatMap(([name, value]) =>
    value instanceof z.ZodType ? [[value, name] as const] : [],
  ),
)

function describeSchemas(): Record<string, unknown> {
  const schemas = [...named].flatMap(([schema, name]) =>
    schema instanceof z.ZodType ? [[name, writeSchema(schema)]] : [],
  )
  return Object.fromEntries(schemas)
}

function schemaOrRef(schema: z.ZodType): Record<string, unknown> {
  const plain = schema instanceof z.ZodOptional ? schema.unwrap() : schema
  const name = named.get(plain)
  return name === undefined ? writeSchema(schema) : refTo(name)
}

function refTo(name: string): Record<string, unknown> {
  return { $ref: `#/components/schemas/${name}` }
}

/** As it is on the wire: the side of a codec on which bytes and moments are texts. */
function writeSchema(schema: unknown): Record<string, unknown> {
  if (!(schema instanceof z.ZodType)) return {}
  const { $schema: _, ...written } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return { ...written }
}
