import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CommandRecord, NewCommand } from '../../controller/api/resources.ts'
import { createApiClient } from '../../controller/cli/api/api-client.ts'
import { connectApi } from '../../controller/cli/api/api-connection.ts'
import { endRunner } from '../system/end-runner.ts'
import { createGuest, type Guest } from '../system/guest.ts'
import type { Program } from '../system/start-program.ts'
import { type System, startSystem } from '../system/start-system.ts'
import type { OpenSystemQueue } from '../system/system-queue.ts'
import { waitFor } from '../system/wait-for.ts'
import { bundleForBench } from './packaged-agent.ts'

/** Controller, queue service and agents, each a process of its own as in production, and a client of the API. The agents are those of the package. */
export interface Installation extends AsyncDisposable {
  system: System
  api: ReturnType<typeof createApiClient>
  guests: Guest[]
  agents: Program[]
  /** Runs a command on the first instance. @throws when it does not succeed. */
  run: (operation: Operation, content?: { sha256: string }) => Promise<CommandRecord>
  /** The same, and `meanwhile` while it runs. */
  runWhile: (
    operation: Operation,
    meanwhile: (id: string) => Promise<void>,
  ) => Promise<CommandRecord>
  /** Starts more of them. Ends when all are enrolled. */
  addAgents: (count: number) => Promise<void>
  /** The process that was started with all of these words. */
  findProcess: (...words: string[]) => Promise<number>
}

type Operation = Parameters<ReturnType<typeof createApiClient>['postCommand']>[1]['operation']

const cluster = 'bench'
const enrolmentPatienceMs = 180_000

export async function startInstallation(
  directory: string,
  agentCount: number,
  openQueue?: OpenSystemQueue,
): Promise<Installation> {
  await using opened = new AsyncDisposableStack()
  const agent = await bundleForBench(join(directory, 'agent'))
  const system = opened.use(await startSystem(join(directory, 'system'), {}, openQueue))
  const connection = opened.use(connectApi({ kind: 'socket', socketPath: system.socketPath }))
  const api = createApiClient(connection)
  await api.createCluster({ name: cluster })
  const [guests, agents]: [Guest[], Program[]] = [[], []]
  const life = opened.use(new AsyncDisposableStack())
  const areEnrolled = async () => {
    const { value } = await api.listInstances(cluster)
    const enrolled = value.instances.filter(({ state }) => state === 'enrolled')
    return enrolled.length === guests.length
  }
  const addAgents = async (count: number) => {
    for (let added = 0; added < count; added += 1) {
      const name = `worker-${guests.length + 1}`
      const guest = await createGuest(name, join(directory, 'guests', name), agent)
      const { value } = await api.renderUserData(cluster, { instance: guest.name })
      await guest.applyUserData(value.userData)
      guests.push(guest)
      life.defer(async () => await endRunner(guest.stateDirectory))
      agents.push(life.use(await guest.startAgent()))
    }
    try {
      await waitFor('all agents to enrol', areEnrolled, enrolmentPatienceMs)
    } catch (error) {
      const wrote = agents.at(-1)?.recentOutput() ?? ''
      throw new Error(`agents do not enrol; the last one wrote:\n${wrote}`, { cause: error })
    }
  }
  await addAgents(agentCount)
  const post = async (operation: Operation, content?: { sha256: string }): Promise<string> => {
    const body = { operation, ...limits, ...(content && { content }) }
    const { value } = await api.postCommand({ cluster, instance: 'worker-1' }, body)
    return value[0]?.id ?? ''
  }
  const whole = opened.move()
  return {
    system,
    api,
    guests,
    agents,
    run: async (operation, content) => await waitForSuccess(api, await post(operation, content)),
    runWhile: async (operation, meanwhile) => {
      const id = await post(operation)
      await meanwhile(id)
      return await waitForSuccess(api, id)
    },
    addAgents,
    findProcess,
    [Symbol.asyncDispose]: async () => await whole.disposeAsync(),
  }
}

/** So that a run ends, whatever happens. */
const limits = { timeoutSeconds: 120, startWithinSeconds: 120 } satisfies Partial<NewCommand>

/** One command for each instance of the cluster; ends when the last of them has succeeded. */
export async function runOnAll({ api }: Installation, operation: Operation): Promise<void> {
  const { value } = await api.postCommand({ cluster }, { operation, ...limits })
  await Promise.all(value.map(async ({ id }) => await waitForSuccess(api, id)))
}

async function waitForSuccess(api: Installation['api'], id: string): Promise<CommandRecord> {
  while (true) {
    const { value } = await api.getCommand(id, { wait: true })
    if (value.state === 'succeeded') return value
    if (value.ended) {
      throw new Error(`command ${id} ended as ${value.state}: ${JSON.stringify(value.result)}`)
    }
  }
}

/** The process that was started with all of these words. @throws {Error} there is none. */
export async function findProcess(...words: string[]): Promise<number> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const commandLine = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')
    const theirs = commandLine.split('\0')
    if (words.every((word) => theirs.includes(word))) return Number(entry)
  }
  throw new Error(`no process was started with ${words.join(' ')}`)
}
