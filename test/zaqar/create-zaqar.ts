import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { renderConfiguration } from './render-configuration.ts'
import { createService, type Service } from './service.ts'
import { uwsgiCommand } from './uwsgi-command.ts'
import { type ZaqarSettings, zaqarConfiguration } from './zaqar-configuration.ts'

export interface ZaqarProcesses {
  directory: string
  ports: ZaqarSettings['ports']
  keystone?: ZaqarSettings['keystone']
  /** How HTTP is served: by `zaqar-server` (one request at a time), or by that many uwsgi processes. */
  workers: 'plain' | number
  claimScript: 'stock' | 'safe'
  websocket: boolean
  maxPostBytes: number
  maxMessageTtlSeconds: number
}

const pythonDirectory = join(import.meta.dirname, 'python')
const serverLauncher = join(pythonDirectory, 'zaqar_server.py')

/** Zaqar's HTTP service, and its WebSocket service where it is wanted. Write their configuration before a start. */
export function createZaqar(processes: ZaqarProcesses): Service[] {
  const wsgi = createZaqarService(processes, 'wsgi', wsgiCommand(processes))
  if (!processes.websocket) return [wsgi]
  const command = plainCommand(processes.directory, 'websocket')
  return [wsgi, createZaqarService(processes, 'websocket', command)]
}

/** Zaqar reads it at its start only. */
export function writeZaqarConfiguration(processes: ZaqarProcesses, secretKey: string): void {
  const { directory, ports, keystone, maxPostBytes, maxMessageTtlSeconds } = processes
  for (const transport of ['wsgi', 'websocket'] as const) {
    const limits = { maxPostBytes, maxMessageTtlSeconds }
    const settings = { transport, ports, secretKey, ...limits, ...(keystone && { keystone }) }
    const text = renderConfiguration(zaqarConfiguration(settings))
    writeFileSync(configurationPath(directory, transport), text, { mode: 0o600 })
  }
}

function createZaqarService(
  { directory, ports, claimScript }: ZaqarProcesses,
  transport: 'wsgi' | 'websocket',
  command: readonly string[],
): Service {
  // Zaqar lists its versions to anybody (300); the WebSocket library shows a status page (200).
  const readyStatus = transport === 'wsgi' ? 300 : 200
  return createService({
    name: `zaqar (${transport})`,
    command,
    environment: { PYTHONPATH: pythonDirectory, SAHARA_TEST_CLAIM_SCRIPT: claimScript },
    logPath: join(directory, `zaqar-${transport}.log`),
    isReady: async (signal) => {
      const response = await fetch(`http://127.0.0.1:${ports[transport]}/`, { signal })
      await response.body?.cancel()
      return response.status === readyStatus
    },
  })
}

function wsgiCommand({ directory, ports, workers }: ZaqarProcesses): readonly string[] {
  if (workers === 'plain') return plainCommand(directory, 'wsgi')
  return uwsgiCommand(ports.wsgi, workers, [
    '--wsgi-file',
    join(pythonDirectory, 'zaqar_wsgi.py'),
    '--pyargv',
    `--config-file ${configurationPath(directory, 'wsgi')}`,
  ])
}

function plainCommand(directory: string, transport: 'wsgi' | 'websocket'): readonly string[] {
  const configuration = configurationPath(directory, transport)
  return ['/usr/bin/python3', serverLauncher, '--config-file', configuration]
}

function configurationPath(directory: string, transport: 'wsgi' | 'websocket'): string {
  return join(directory, `zaqar-${transport}.conf`)
}
