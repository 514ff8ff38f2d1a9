import { once } from 'node:events'
import { chmod, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { z } from 'zod'
import { Status } from './status.ts'

/**
 * Answers each connection to the socket with the status, and closes it. The socket is for this user only; what a client
 * says is not read. Call it with the state directory locked: a socket that is there was left behind.
 */
export async function serveStatus(
  socketPath: string,
  status: () => Status,
): Promise<AsyncDisposable> {
  await rm(socketPath, { force: true })
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.resume()
    socket.end(`${JSON.stringify(z.encode(Status, status()))}\n`)
  })
  server.maxConnections = 8
  server.listen(socketPath)
  await once(server, 'listening')
  await chmod(socketPath, 0o600)
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}
