import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { debianSizes } from './debian-sizes.ts'
import type { Bench, GuestAgent } from './guest-agent.ts'

/** Debian's os-collect-config as Heat sets it up: it asks for its metadata by HTTP every 30 seconds. */
export async function openOsCollectConfig({ directory, world }: Bench): Promise<GuestAgent> {
  const state = join(directory, 'os-collect-config')
  await mkdir(state, { recursive: true })
  let requests = 0
  let asked = Promise.withResolvers<void>()
  const server = createServer((_incoming, outgoing) => {
    requests += 1
    outgoing.setHeader('last-modified', 'Thu, 01 Jan 2026 00:00:00 GMT')
    outgoing.end('{}')
    asked.resolve()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const config = join(state, 'config')
  await writeFile(config, `[DEFAULT]\n[request]\nmetadata_url=http://127.0.0.1:${port}/\n`)
  const places = ['--config-file', config, '--cachedir', state]
  const flags = [...places, '--polling-interval', '30', '--command', 'true', 'request']
  return {
    name: 'os-collect-config',
    asks: true,
    ...(await debianSizes('python3-os-collect-config')),
    start: async () => {
      asked = Promise.withResolvers()
      const { reject, promise } = asked
      const startedMs = world.monotonicMs()
      const agent = spawn('os-collect-config', flags, { stdio: 'ignore' })
      const exited = once(agent, 'exit').then(() => reject(new Error('os-collect-config ended')))
      await promise
      return {
        pid: agent.pid ?? 0,
        startMs: world.monotonicMs() - startedMs,
        countRequests: () => requests,
        stop: async () => {
          // It finishes its round at SIGTERM, which is no part of this.
          agent.kill('SIGKILL')
          await exited
        },
      }
    },
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
