import { chmodSync, rmSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { realWorld } from '../../protocol/real-world.ts'
import { removeAllSecrets, secretsHomes } from '../secrets/secret-files.ts'
import { findControlGroupHome, removeEmptyGroups } from './control-group.ts'
import { endForCertain } from './end-for-certain.ts'
import { noteRunner } from './hung-runner.ts'
import { exitWhenIdle } from './idle-exit.ts'
import { keepGroups } from './left-groups.ts'
import { createPipePool } from './pipe-pool.ts'
import { takeRunnerLock } from './runner-lock.ts'
import { createAgentService } from './serve-agents.ts'
import { createPathProbe } from './unresponsive-path.ts'

/**
 * The runner: one process per agent that begins commands, reads what they print, watches their time and records their
 * end, and that outlives the agent. `node agent/runner/main.ts --state DIRECTORY --agent VERSION [--idle-ms N]`; the agent
 * starts it.
 */
const { values } = parseArgs({
  options: {
    state: { type: 'string' },
    agent: { type: 'string', default: '' },
    'idle-ms': { type: 'string', default: '60000' },
  },
})
const state = values.state ?? process.cwd()
const world = realWorld()

// Commands inherit it; what the runner writes for itself names its mode.
process.umask(0o022)
const socketPath = join(state, 'runner.sock')
// No top-level await: the bundle is CommonJS, which starts faster (docs/performance.md).
void serveUntilIdle().then(endForCertain)

async function serveUntilIdle(): Promise<void> {
  using lock = await takeRunnerLock(join(state, 'runner.lock'), socketPath, world)
  if (lock !== null) {
    noteRunner(state)
    const groupHome = findControlGroupHome()
    removeEmptyGroups(groupHome)
    removeAllSecrets(secretsHomes(state))
    const groups = keepGroups()
    const service = createAgentService(
      {
        world,
        pipes: await createPipePool(join(state, 'runner-pipes')),
        probe: createPathProbe(world),
        groupHome,
        leaveGroup: groups.keep,
      },
      {
        agentVersion: values.agent,
        onChange: () => idle.check(),
        onOtherVersion: () => idle.hurry(),
      },
    )
    const server = createServer((socket) => service.serve(socket))
    const idle = exitWhenIdle(service, Number(values['idle-ms']), world)
    // A machine that shuts down, or a person: commands are finished first.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        service.noteToldToEnd()
        idle.hurry()
      })
    }
    await listen(server, socketPath)
    process.stdout.write('ready\n')
    idle.check()
    // For the next runner: this one may be killed.
    flushCompileCache()
    await idle.reached
    server.close()
    service.close()
    groups.removeEmpty()
  }
}

/** We hold the lock, so a socket that is there belongs to nobody. */
async function listen(listener: Server, path: string): Promise<void> {
  rmSync(path, { force: true })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  listener.once('error', reject)
  const umask = process.umask(0o177)
  listener.listen(path, resolve)
  await promise
  process.umask(umask)
  chmodSync(path, 0o600)
}
