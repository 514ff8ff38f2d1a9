import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** An HTTP server on loopback, on a port of its own, for what stands between a program and the queue service. */
export interface ServedProxy {
  url: string
  /** Cuts every connection, and closes. */
  [Symbol.asyncDispose]: () => Promise<void>
}

/** Gives each request to `pass`; the connection of one that fails is cut. */
export async function serveProxy(
  pass: (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>,
): Promise<ServedProxy> {
  const sockets = new Set<Socket>()
  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => incoming.socket.destroy())
  })
  server.keepAliveTimeout = 60_000
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
