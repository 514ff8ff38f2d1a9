import type { Logger } from 'pino'
import type { World } from '../protocol/world.ts'
import type { PostLimit } from '../protocol/zaqar/post-limit.ts'
import type { ZaqarClient } from '../protocol/zaqar/zaqar-client.ts'
import type { ClusterKeyring } from './cluster-keyring.ts'
import type { ControllerConfig } from './config.ts'
import type { DueBell } from './deadlines/due-bell.ts'
import type { ControllerMetrics } from './metrics/controller-metrics.ts'
import type { Store } from './store/open-store.ts'
import type { Wakeups } from './wakeups.ts'

/** What every part of the controller works with; opened and closed by `serve.ts`. */
export interface Context {
  config: ControllerConfig
  world: World
  store: Store
  /** The queue service, with the controller's own right. */
  queue: ZaqarClient
  /** What it takes in one POST, as far as it is known. */
  postLimit: PostLimit
  /** Where agents reach it, and whom they trust for it. */
  advertised: { url: string; certificateAuthority: string | undefined }
  keyring: ClusterKeyring
  wakeups: Wakeups
  dueBell: DueBell
  metrics: ControllerMetrics
  log: Logger
}
