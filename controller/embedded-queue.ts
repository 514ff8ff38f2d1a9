import { join } from 'node:path'
import type { Logger } from 'pino'
import type { World } from '../protocol/world.ts'
import { openQueueService, type QueueService } from '../queue/serve-queue.ts'
import type { ControllerConfig } from './config.ts'

/**
 * Serves the queue from this very process: the one place that knows `queue/`. Everybody else, the rest of the
 * controller too, reaches it over HTTP like any other queue service.
 *
 * @throws what `openQueueService` throws.
 */
export async function openEmbeddedQueue(
  config: ControllerConfig,
  world: World,
  log: Logger,
): Promise<QueueService | undefined> {
  const { embedded, auth, tokenFile } = config.queue
  if (embedded === null || auth === 'keystone') return undefined
  const { host, port, tls } = embedded
  const options = {
    host,
    port,
    auth,
    database: embedded.database ?? join(config.stateDirectory, 'queue.db'),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(tls === undefined ? {} : { tls: { certFile: tls.certificateFile, keyFile: tls.keyFile } }),
  }
  return await openQueueService(options, world, log.child({ part: 'queue' }))
}
