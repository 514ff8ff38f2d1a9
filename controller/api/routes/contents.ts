import type { ApiParts } from '../api-parts.ts'
import { StoredContent } from '../resources.ts'
import { ByteStream, json, noQuery, type Route, route } from '../route.ts'

/** Files, scripts and standard input, stored ahead of the commands that carry them. */
export function contentRoutes({ contents }: Pick<ApiParts, 'contents'>): readonly Route[] {
  const keep = route({
    method: 'POST',
    path: '/v1/contents',
    summary: 'Store content; it is kept until no open command uses it and an hour has passed',
    query: noQuery,
    body: ByteStream,
    answers: { 201: { description: 'its digest and size', schema: StoredContent } },
    run: async ({ body }) => json(201, StoredContent, await contents.keep(body)),
  })
  return [keep]
}
