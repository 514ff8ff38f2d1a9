import type { Guest } from '../system/guest.ts'
import type { Program } from '../system/start-program.ts'
import type { System } from '../system/start-system.ts'
import type { QueueKeeper, SeenMessage } from './queue-keeper.ts'
import type { Stage } from './stage.ts'

/** What the scenes share. */
export interface Show {
  stage: Stage
  system: System
  guests: Guest[]
  /** The agents by instance name; a scene that starts one again replaces it. */
  agents: Map<string, Program>
  queueKeeper: QueueKeeper
  /** A real command, as the queue's keeper saw it waiting. */
  seen?: SeenMessage
}
