import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { type GateProxy, startGateProxy } from '../system/gate-proxy.ts'
import { createGuest } from '../system/guest.ts'
import { startSystem } from '../system/start-system.ts'
import { openOwnQueue } from '../system/system-queue.ts'
import type { Bench, GuestAgent } from './guest-agent.ts'
import { placeLauncher } from './packaged-agent.ts'

/**
 * Our agent as its Debian package brings it: unpacked, with its own Node, its launcher and its policy, on a queue service
 * that holds its claims.
 *
 * @param packages what `npm run build:agent` has made; built anew without it.
 */
export async function openSaharaAgent(
  packages: string | undefined,
  { directory, world }: Bench,
): Promise<GuestAgent> {
  await using opened = new AsyncDisposableStack()
  const deb = await findPackage(packages ?? (await build(join(directory, 'dist'))))
  const tree = join(directory, 'tree')
  await execa('dpkg-deb', ['--extract', deb, tree])
  const installedBytes = await diskUse(tree)
  const gate = Promise.withResolvers<GateProxy>()
  const system = await startSystem(join(directory, 'system'), {}, async (path) => {
    const queue = await openOwnQueue(path)
    const proxy = opened.use(await startGateProxy(queue.url))
    gate.resolve(proxy)
    return { ...queue, settings: { ...queue.settings, advertisedUrl: proxy.url } }
  })
  opened.use(system)
  const guest = await createGuest('idle', join(directory, 'guest'))
  await system.cli(['cluster', 'create', 'bench'])
  const userData = await system.cli(['user-data', 'bench', '--instance', 'idle'])
  await guest.applyUserData(userData.stdout)
  const launcher = await placeLauncher(
    await readFile(join(tree, 'usr/bin/sahara-agent'), 'utf8'),
    join(tree, 'usr/lib/sahara-agent'),
    directory,
  )
  const config = await configure(tree, guest)
  const door = await gate.promise
  const life = opened.move()
  return {
    name: 'sahara-agent',
    asks: true,
    packageBytes: (await stat(deb)).size,
    installedBytes,
    start: async () => {
      const claimed = Promise.withResolvers<void>()
      door.setGate({
        before: async ({ method, path }) => {
          if (method === 'POST' && path.includes('/claims')) claimed.resolve()
          return 'pass'
        },
      })
      const startedMs = world.monotonicMs()
      const agent = spawn(launcher, ['run', '--config', config], {
        stdio: 'ignore',
        env: { PATH: '/usr/bin:/bin' },
      })
      const exited = once(agent, 'exit').then(() => claimed.reject(new Error('the agent ended')))
      await claimed.promise
      return {
        pid: agent.pid ?? 0,
        startMs: world.monotonicMs() - startedMs,
        countRequests: () => door.passed.length,
        stop: async () => {
          agent.kill()
          await exited
        },
      }
    },
    [Symbol.asyncDispose]: async () => await life.disposeAsync(),
  }
}

async function build(out: string): Promise<string> {
  await execa(process.execPath, ['cloud-init/build/main.ts', '--only', 'deb', '--out', out])
  return out
}

async function findPackage(directory: string): Promise<string> {
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const name = (await readdir(directory)).find((file) => file.endsWith(`_${arch}.deb`))
  if (name === undefined) throw new Error(`no package in ${directory}; run npm run build:agent`)
  return join(directory, name)
}

async function configure(
  tree: string,
  { root, stateDirectory }: { root: string; stateDirectory: string },
): Promise<string> {
  const policyPath = join(root, 'etc/sahara-agent/policy.yaml')
  await cp(join(tree, 'etc/sahara-agent/policy.yaml'), policyPath)
  const bootstrapPath = join(root, 'etc/sahara-agent/bootstrap.json')
  const config = join(root, 'etc/sahara-agent/agent.yaml')
  await writeFile(config, JSON.stringify({ bootstrapPath, stateDirectory, policyPath }))
  return config
}

async function diskUse(tree: string): Promise<number> {
  const { stdout } = await execa('du', ['--summarize', '--bytes', tree])
  return Number(stdout.split('\t')[0])
}
