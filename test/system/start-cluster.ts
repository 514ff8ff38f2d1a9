import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { createApiClient } from '../../controller/cli/api/api-client.ts'
import { connectApi } from '../../controller/cli/api/api-connection.ts'
import { endRunner } from './end-runner.ts'
import { type GateProxy, startGateProxy } from './gate-proxy.ts'
import { createGuest, type Guest } from './guest.ts'
import { type OpenQueueUnderTest, type QueueUnderTest, queueHere } from './queue-under-test.ts'
import { type Program, startProgram } from './start-program.ts'
import { waitFor } from './wait-for.ts'

/**
 * One cluster with one instance: controller and agent are processes, the queue service has a clock
 * that the test may move, and before each of the two stands a gate.
 */
export interface TestCluster {
  directory: string
  queue: QueueUnderTest
  agentGate: GateProxy
  controllerGate: GateProxy
  api: ReturnType<typeof createApiClient>
  guest: Guest
  agent: Program
  controller: Program
  restartAgent: () => Promise<void>
  restartController: () => Promise<void>
  [Symbol.asyncDispose]: () => Promise<void>
}

export interface ClusterSettings {
  controller?: Readonly<Record<string, unknown>>
  agent?: Readonly<Record<string, unknown>>
  /** Where the queue service runs. Default: in this process. */
  openQueue?: OpenQueueUnderTest
}

export async function startCluster(settings: ClusterSettings = {}): Promise<TestCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'sahara-agent-test-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => rm(directory, { recursive: true, force: true, maxRetries: 5 }))

  const queue = stack.use(await (settings.openQueue ?? queueHere)(directory))
  const agentGate = stack.use(await startGateProxy(queue.url))
  const controllerGate = stack.use(await startGateProxy(queue.url))

  const socketPath = join(directory, 'controller.sock')
  const configPath = join(directory, 'controller.yaml')
  const config = {
    stateDirectory: join(directory, 'controller'),
    socketPath,
    queue: { url: controllerGate.url, advertisedUrl: agentGate.url, ...queue.settings },
    ...settings.controller,
  }
  await writeFile(configPath, stringify(config))
  const startController = async (): Promise<Program> => {
    const flags = ['serve', '--config', configPath, '--json']
    const program = startProgram('controller/main.ts', flags, queue.environment)
    await program.line((text) => text.includes('"listening"'))
    return program
  }
  let controller = await startController()
  stack.defer(async () => controller.stop())
  const connection = stack.use(connectApi({ kind: 'socket', socketPath }))
  const api = createApiClient(connection)

  await api.createCluster({ name: 'test' })
  const guest = await createGuest('worker-1', join(directory, 'guest'))
  const { value } = await api.renderUserData('test', { instance: guest.name })
  await guest.applyUserData(value.userData)
  let agent = await guest.startAgent(settings.agent)
  stack.defer(async () => agent.stop())
  stack.defer(async () => endRunner(guest.stateDirectory))
  await waitFor('the instance to enrol', async () => {
    const { value: list } = await api.listInstances('test')
    return list.instances[0]?.state === 'enrolled'
  })

  const rest = stack.move()
  return {
    directory,
    queue,
    agentGate,
    controllerGate,
    api,
    guest,
    get agent() {
      return agent
    },
    get controller() {
      return controller
    },
    restartAgent: async () => {
      await agent.stop('SIGKILL')
      agent = await guest.startAgent(settings.agent)
    },
    restartController: async () => {
      await controller.stop('SIGKILL')
      controller = await startController()
    },
    [Symbol.asyncDispose]: async () => rest.disposeAsync(),
  }
}
