import { Readable } from 'node:stream'
import { metricsContentType } from '../../../protocol/metrics/metrics.ts'
import type { ApiParts } from '../api-parts.ts'
import { noBody, noQuery, type Route, route } from '../route.ts'

/** The controller's numbers. */
export function metricsRoutes({ context }: ApiParts): readonly Route[] {
  const metrics = route({
    method: 'GET',
    path: '/v1/metrics',
    summary: 'The controller’s numbers, for Prometheus',
    query: noQuery,
    body: noBody,
    answers: {
      200: { description: 'Prometheus’ text format', contentType: metricsContentType },
    },
    run: async () => ({
      status: 200,
      stream: Readable.from([context.metrics.render()]),
      contentType: metricsContentType,
    }),
  })
  return [metrics]
}
