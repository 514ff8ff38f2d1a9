import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import type { World } from '../../protocol/world.ts'
import { debianSizes } from './debian-sizes.ts'
import { type Footprint, measureIdle } from './idle-cost.ts'

/** Measures Debian's os-collect-config as Heat sets it up: it asks for its metadata by HTTP every 30 seconds. */
export async function measureOsCollectConfig(
  directory: string,
  idleMs: number,
  world: World,
): Promise<Footprint> {
  const state = join(directory, 'os-collect-config')
  await mkdir(state, { recursive: true })
  let requests = 0
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const server = createServer((_incoming, outgoing) => {
    requests += 1
    outgoing.setHeader('last-modified', 'Thu, 01 Jan 2026 00:00:00 GMT')
    outgoing.end('{}')
    resolve()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const config = join(state, 'config')
  await writeFile(config, `[DEFAULT]\n[request]\nmetadata_url=http://127.0.0.1:${port}/\n`)
  const flags = [
    '--config-file',
    config,
    '--cachedir',
    state,
    '--polling-interval',
    '30',
    '--command',
    'true',
    'request',
  ]
  const startedMs = world.monotonicMs()
  const agent = spawn('os-collect-config', flags, { stdio: 'ignore' })
  const exited = once(agent, 'exit')
  try {
    await Promise.race([asked, exited])
    const startMs = world.monotonicMs() - startedMs
    // Its first rounds are not those of something idle.
    await world.sleep(10_000)
    const idle = await measureIdle(agent.pid ?? 0, idleMs, () => requests, world)
    return {
      name: 'os-collect-config',
      ...(await debianSizes('python3-os-collect-config')),
      startMs,
      ...idle,
    }
  } finally {
    agent.kill()
    await exited
    server.close()
    server.closeAllConnections()
  }
}
