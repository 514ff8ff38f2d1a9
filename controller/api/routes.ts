import type { ApiParts } from './api-parts.ts'
import type { Route } from './route.ts'
import { clusterRoutes } from './routes/clusters.ts'
import { commandRoutes } from './routes/commands.ts'
import { contentRoutes } from './routes/contents.ts'
import { instanceRoutes } from './routes/instances.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { outputRoutes } from './routes/output.ts'
import { statusRoutes } from './routes/status.ts'

/** Every route of the API, in the order in which `resources.ts` lists them. */
export function allRoutes(parts: ApiParts): readonly Route[] {
  return [
    ...statusRoutes(parts),
    ...metricsRoutes(parts),
    ...clusterRoutes(parts),
    ...instanceRoutes(parts),
    ...contentRoutes(parts),
    ...commandRoutes(parts),
    ...outputRoutes(parts),
  ]
}
