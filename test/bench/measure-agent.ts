import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { World } from '../../protocol/world.ts'
import { type GateProxy, startGateProxy } from '../system/gate-proxy.ts'
import { createGuest } from '../system/guest.ts'
import { startSystem } from '../system/start-system.ts'
import { openOwnQueue } from '../system/system-queue.ts'
import { type Footprint, measureIdle } from './idle-cost.ts'

/** Every so many starts, the median counts. */
const starts = 9

/** Measures the packaged agent: unpacked from its Debian package, and on a queue service that holds its claims. */
export async function measureAgent(
  packages: string,
  directory: string,
  idleMs: number,
  world: World,
): Promise<Footprint> {
  const name = (await readdir(packages)).find((file) => file.endsWith('.deb'))
  if (name === undefined) throw new Error(`no package in ${packages}; run npm run build:agent`)
  const tree = join(directory, 'tree')
  await execa('dpkg-deb', ['--extract', join(packages, name), tree])
  await using stack = new AsyncDisposableStack()
  const opened = Promise.withResolvers<GateProxy>()
  await using system = await startSystem(join(directory, 'system'), {}, async (path) => {
    const queue = await openOwnQueue(path)
    const gate = stack.use(await startGateProxy(queue.url))
    opened.resolve(gate)
    return { ...queue, settings: { ...queue.settings, advertisedUrl: gate.url } }
  })
  const gate = await opened.promise
  const guest = await createGuest('idle', join(directory, 'guest'))
  await system.cli(['cluster', 'create', 'bench'])
  const userData = await system.cli(['user-data', 'bench', '--instance', 'idle'])
  await guest.applyUserData(userData.stdout)
  // JSON is YAML, but a guest has no configuration, and so it does not pay for reading one.
  const flags = [
    'run',
    '--bootstrap',
    join(guest.root, 'etc/sahara-agent/bootstrap.json'),
    '--state-directory',
    guest.stateDirectory,
  ]
  const start = () => startPackagedAgent(tree, join(directory, 'cache'), flags, gate, world)

  const times: number[] = []
  // The first start enrols and fills the cache of compiled code, as the package's installation does.
  for (let count = 0; count <= starts; count += 1) {
    const agent = await start()
    if (count > 0) times.push(agent.startMs)
    await agent.stop()
  }
  const agent = await start()
  try {
    await world.sleep(5_000)
    const idle = await measureIdle(agent.pid, idleMs, () => gate.passed.length, world)
    return {
      name: 'sahara-agent',
      packageBytes: (await stat(join(packages, name))).size,
      installedBytes: await diskUse(tree),
      startMs: times.toSorted((one, other) => one - other).at(Math.floor(times.length / 2)),
      ...idle,
    }
  } finally {
    await agent.stop()
  }
}

/** Starts it as its launcher does, but for the paths, and waits for its first claim to arrive. */
async function startPackagedAgent(
  tree: string,
  cache: string,
  flags: readonly string[],
  gate: GateProxy,
  world: World,
) {
  await mkdir(cache, { recursive: true })
  const library = join(tree, 'usr/lib/sahara-agent')
  const { promise: claimed, resolve } = Promise.withResolvers<void>()
  gate.setGate({
    before: async ({ method, path }) => {
      if (method === 'POST' && path.includes('/claims')) resolve()
      return 'pass'
    },
  })
  const options = ['--max-semi-space-size=2', '--v8-pool-size=1', '--no-warnings']
  const startedMs = world.monotonicMs()
  const agent = spawn(
    join(library, 'node'),
    [...options, join(library, 'agent-main.js'), ...flags],
    {
      stdio: ['ignore', 'ignore', 'ignore'],
      env: { PATH: '/usr/bin:/bin', NODE_COMPILE_CACHE: cache },
    },
  )
  const exited = once(agent, 'exit')
  await claimed
  return {
    pid: agent.pid ?? 0,
    startMs: world.monotonicMs() - startedMs,
    stop: async () => {
      agent.kill()
      await exited
    },
  }
}

async function diskUse(tree: string): Promise<number> {
  const { stdout } = await execa('du', ['--summarize', '--bytes', tree])
  return Number(stdout.split('\t')[0])
}
