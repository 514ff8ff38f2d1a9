import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

// Below Linux's ephemeral range (from 32768): there, a client that knocks at a port whose server is down can be
// given that very port as its own, connects to itself, and keeps the server from coming back.
const lowestPort = 20_000
const highestPort = 32_000

/** Finds `count` different loopback ports that nobody listens on. Another process may still be faster in taking one. */
export async function findFreePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = randomInt(lowestPort, highestPort)
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
