import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { createApiClient } from '../../controller/cli/api/api-client.ts'
import { connectApi } from '../../controller/cli/api/api-connection.ts'
import { endRunner } from '../system/end-runner.ts'
import { createGuest, type Guest } from '../system/guest.ts'
import { queueAsProcess } from '../system/queue-under-test.ts'
import { startProgram } from '../system/start-program.ts'
import { waitFor } from '../system/wait-for.ts'
import { type ChaosProxy, startChaosProxy } from './chaos-proxy.ts'
import type { EffectPaths } from './planned-command.ts'
import { type Supervised, supervise } from './supervised.ts'

/** One guest, its agent, and where the effects of its commands are seen. */
export interface ChaosGuest {
  guest: Guest
  agent: Supervised
  effects: EffectPaths
  /** Says which boot this is. */
  bootIdPath: string
  /** How wrong the agent's clock is, in milliseconds. */
  clockPath: string
}

/** Controller, queue service and agents, each a process, with a network between them that misbehaves on demand. */
export interface ChaosCluster {
  directory: string
  queue: Awaited<ReturnType<typeof queueAsProcess>>
  proxies: Record<'agent' | 'controller', ChaosProxy>
  controller: Supervised
  api: ReturnType<typeof createApiClient>
  guests: ChaosGuest[]
  [Symbol.asyncDispose]: () => Promise<void>
}

export const clusterName = 'chaos'
const guestDiskMegabytes = 96

export interface ChaosClusterOptions {
  instances: number
  /** Each guest has a disk of its own that can be filled; needs root. */
  smallDisks: boolean
  /** More of the configurations. */
  controller?: Readonly<Record<string, unknown>>
  agent?: Readonly<Record<string, unknown>>
}

export async function startChaosCluster(
  directory: string,
  options: ChaosClusterOptions,
): Promise<ChaosCluster> {
  const { instances, smallDisks } = options
  await using stack = new AsyncDisposableStack()
  const queue = stack.use(await queueAsProcess(directory))
  const proxies = {
    agent: stack.use(await startChaosProxy(queue.url)),
    controller: stack.use(await startChaosProxy(queue.url)),
  }
  const socketPath = join(directory, 'controller.sock')
  const configPath = join(directory, 'controller.yaml')
  const config = {
    stateDirectory: join(directory, 'controller'),
    socketPath,
    // The queue's clock runs far ahead in a long run.
    signedUrlLifeSeconds: 31_536_000,
    queue: { url: proxies.controller.url, advertisedUrl: proxies.agent.url, ...queue.settings },
    logLevel: 'warn',
    ...options.controller,
  }
  await writeFile(configPath, stringify(config))
  const startController = async () => {
    const program = startProgram('controller/main.ts', ['serve', '--config', configPath, '--json'])
    await program.line((text) => text.includes('"listening"'))
    return program
  }
  const controller = stack.use(await supervise(startController))
  const api = createApiClient(stack.use(connectApi({ kind: 'socket', socketPath })))
  await api.createCluster({ name: clusterName })

  const guests: ChaosGuest[] = []
  for (let index = 0; index < instances; index += 1) {
    const root = join(directory, `guest-${index}`)
    const guest = await createGuest(`worker-${index}`, root, 'test/system/agent-with-clock.ts')
    if (smallDisks) await mountDisk(guest, stack)
    stack.defer(async () => endRunner(guest.stateDirectory))
    guests.push(await startGuest(guest, api, options, stack))
  }
  await waitFor('all instances to enrol', async () => {
    const { value } = await api.listInstances(clusterName)
    const enrolled = value.instances.filter(({ state }) => state === 'enrolled')
    return enrolled.length === instances
  })
  const rest = stack.move()
  return {
    directory,
    queue,
    proxies,
    controller,
    api,
    guests,
    [Symbol.asyncDispose]: async () => rest.disposeAsync(),
  }
}

async function startGuest(
  guest: Guest,
  api: ChaosCluster['api'],
  options: ChaosClusterOptions,
  stack: AsyncDisposableStack,
): Promise<ChaosGuest> {
  const bootIdPath = join(guest.root, 'boot_id')
  const clockPath = join(guest.root, 'etc/sahara-agent/clock')
  const effects = { marks: join(guest.root, 'marks'), files: join(guest.root, 'files') }
  await mkdir(effects.files, { recursive: true })
  await mkdir(dirname(clockPath), { recursive: true })
  await writeFile(effects.marks, '')
  await writeFile(bootIdPath, 'boot-0\n')
  await writeFile(clockPath, '0')
  const { value } = await api.renderUserData(clusterName, { instance: guest.name })
  await guest.applyUserData(value.userData)
  const settings = {
    bootIdPath,
    logLevel: 'warn',
    limits: { reserveBytes: 4 * 2 ** 20 },
    ...options.agent,
  }
  const agent = stack.use(await supervise(async () => guest.startAgent(settings)))
  return { guest, agent, effects, bootIdPath, clockPath }
}

async function mountDisk({ stateDirectory }: Guest, stack: AsyncDisposableStack): Promise<void> {
  const run = promisify(execFile)
  const options = `size=${guestDiskMegabytes}m,mode=0700`
  await run('mount', ['-t', 'tmpfs', '-o', options, 'sahara-agent-chaos', stateDirectory])
  // Lazily: a program may be about to end.
  stack.defer(async () => void (await run('umount', ['--lazy', stateDirectory])))
}
