import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'

import { createService, type Service } from './service.ts'

export interface Redis extends Service {
  /** Forgets everything that is stored. Only while it is stopped. */
  loseData: () => void
}

/** A Redis of our own under `directory`; what it has acknowledged survives its own restart, by force as well. */
export function createRedis(directory: string, port: number): Redis {
  const dataDirectory = join(directory, 'redis')
  mkdirSync(dataDirectory, { recursive: true })
  const settings = {
    port: `${port}`,
    bind: '127.0.0.1',
    dir: dataDirectory,
    save: '',
    appendonly: 'yes',
    // Written before the reply, and left to the kernel: it is Redis that dies in a test, not the machine.
    appendfsync: 'no',
    daemonize: 'no',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const service = createService({
    name: 'redis-server',
    command: ['/usr/bin/redis-server', ...flags],
    logPath: join(directory, 'redis.log'),
    isReady: (signal) => answersPing(port, signal),
  })
  return {
    ...service,
    loseData: () => {
      rmSync(dataDirectory, { recursive: true, force: true })
      mkdirSync(dataDirectory)
    },
  }
}

async function answersPing(port: number, signal: AbortSignal): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', signal })
  try {
    socket.write('PING\r\n')
    const [reply] = await once(socket, 'data', { signal })
    return String(reply).startsWith('+PONG')
  } finally {
    socket.destroy()
  }
}
