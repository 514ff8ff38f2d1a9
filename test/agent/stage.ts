import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AgentConfig } from '../../agent/config.ts'
import type { Log } from '../../agent/log.ts'
import { runAgent } from '../../agent/run-agent.ts'
import type { World } from '../../protocol/world.ts'
import { openQueueService, type QueueService } from '../../queue/serve-queue.ts'
import { type GateProxy, startGateProxy } from '../system/gate-proxy.ts'
import { type ShiftingWorld, shiftingWorld } from '../system/shifting-world.ts'
import { type FakeOperations, fakeOperations } from './fake-operations.ts'
import { type SmallController, startSmallController } from './small-controller.ts'

/** An agent in this process. */
export interface RunningAgent {
  /** SIGTERM. */
  stop: () => Promise<void>
  /** Ends it on the spot, as a second signal does: nothing more is sent or written. */
  kill: () => Promise<void>
  ended: Promise<void>
}

/** A queue service, a gate before it that only the agent goes through, a controller, and what agents need. */
export interface Stage extends AsyncDisposable {
  world: ShiftingWorld
  gate: GateProxy
  controller: SmallController
  operations: FakeOperations
  directory: string
  stateDirectory: string
  /** What the agents have logged. */
  logged: string[]
  /** By default in the world of the queue service and the controller. */
  startAgent: (differences?: object, world?: World) => RunningAgent
  /** Closes the queue service; `openQueue` brings it back with all that it had. */
  closeQueue: () => Promise<void>
  openQueue: () => Promise<void>
}

/** @param options.createOperations real ones, for operations that need no runner. */
export async function setStage({
  hasBootstrap = true,
  createOperations,
}: {
  hasBootstrap?: boolean
  createOperations?: Parameters<typeof runAgent>[1]['createOperations']
} = {}): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'agent-'))
  const world = shiftingWorld()
  let port = 0
  const open = async (): Promise<QueueService> =>
    openQueueService(
      { port, database: join(directory, 'queue.db'), auth: 'none', stopSeconds: 0 },
      world,
    )
  let queue: QueueService | undefined = await open()
  const { url } = queue
  port = Number(new URL(url).port)
  const gate = await startGateProxy(url)
  const controller = await startSmallController(url, gate.url, world)
  const operations = fakeOperations()
  const bootstrapPath = join(directory, 'bootstrap.json')
  if (hasBootstrap) await writeFile(bootstrapPath, JSON.stringify(await controller.bootstrap()))
  const stateDirectory = join(directory, 'state')
  const logged: string[] = []
  const note = (fields: object, message: string) => {
    logged.push(JSON.stringify({ ...fields, message }))
  }
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const agents = new Set<RunningAgent>()

  return {
    world,
    gate,
    controller,
    operations,
    directory,
    stateDirectory,
    logged,
    startAgent: (differences = {}, agentWorld = world) => {
      const config = AgentConfig.parse({
        bootstrapPath,
        stateDirectory,
        instanceUuid: 'c0ffee00-0000-4000-8000-000000000001',
        stopGraceSeconds: 1,
        ...differences,
      })
      const [stop, hurry] = [new AbortController(), new AbortController()]
      const ended = runAgent(config, {
        world: agentWorld,
        log,
        createOperations: createOperations ?? operations.create,
        stop: stop.signal,
        hurry: hurry.signal,
      })
      const agent = {
        ended,
        stop: async () => {
          stop.abort(new Error('SIGTERM'))
          await ended
        },
        kill: async () => {
          stop.abort(new Error('killed'))
          hurry.abort(new Error('killed'))
          await ended
        },
      }
      agents.add(agent)
      // A test that expects a failure awaits `ended` itself.
      ended.catch(() => undefined)
      return agent
    },
    closeQueue: async () => {
      await queue?.[Symbol.asyncDispose]()
      queue = undefined
    },
    openQueue: async () => {
      queue ??= await open()
    },
    [Symbol.asyncDispose]: async () => {
      gate.setGate({})
      for (const agent of agents) await agent.kill().catch(() => undefined)
      await controller[Symbol.asyncDispose]()
      await gate[Symbol.asyncDispose]()
      await queue?.[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
