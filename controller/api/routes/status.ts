import packageJson from '../../../package.json' with { type: 'json' }
import { askQueue } from '../../ask-queue.ts'
import { listClusters } from '../../store/clusters.ts'
import { countOpenCommands } from '../../store/commands.ts'
import { countEnrolled, countExpected } from '../../store/instances.ts'
import type { ApiParts } from '../api-parts.ts'
import { ControllerStatus } from '../resources.ts'
import { json, noBody, noQuery, type Route, route } from '../route.ts'

/** How the controller is. */
export function statusRoutes({ context }: ApiParts): readonly Route[] {
  const status = route({
    method: 'GET',
    path: '/v1/status',
    summary: 'How the controller is, and whether it reaches its queue service',
    query: noQuery,
    body: noBody,
    answers: { 200: { description: 'the status', schema: ControllerStatus } },
    run: async ({ signal }) => {
      const { advertised, store } = context
      const clusters = listClusters(store)
      const queueProblem = await askQueue(context, signal)
      return json(200, ControllerStatus, {
        version: packageJson.version,
        queueUrl: advertised.url,
        queueReachable: queueProblem === null,
        queueProblem,
        clusters: clusters.length,
        instances: clusters.reduce((sum, { id }) => sum + countEnrolled(store, id), 0),
        expectedInstances: clusters.reduce((sum, { id }) => sum + countExpected(store, id), 0),
        openCommands: countOpenCommands(store, 'all'),
      })
    },
  })
  return [status]
}
