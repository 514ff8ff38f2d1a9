import { once } from 'node:events'
import { chmod, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { z } from 'zod'
import { metricsContentType } from '../../protocol/metrics/metrics.ts'
import { Status } from './status.ts'

/** What is told to whoever may open the socket. */
export interface Told {
  status: () => Status
  /** In Prometheus' text format. */
  metrics: () => string
}

/**
 * Answers `GET /status` and `GET /metrics` on the socket, by HTTP. It is for this user only; nothing can be changed by it. Call
 * it with the state directory locked: a socket that is there was left behind.
 */
export async function serveStatus(socketPath: string, told: Told): Promise<AsyncDisposable> {
  await rm(socketPath, { force: true })
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, text: string) =>
      response
        .writeHead(status, { 'content-type': type, connection: 'close' })
        .end(request.method === 'HEAD' ? '' : text)
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (isRead && request.url === '/status') {
      const json = JSON.stringify(z.encode(Status, told.status()))
      answer(200, 'application/json', `${json}\n`)
    } else if (isRead && request.url === '/metrics') {
      answer(200, metricsContentType, told.metrics())
    } else answer(404, 'text/plain', 'there are GET /status and GET /metrics\n')
  })
  server.maxConnections = 8
  server.headersTimeout = 5000
  server.requestTimeout = 5000
  server.on('clientError', (_error, socket) => socket.destroy())
  server.listen(socketPath)
  await once(server, 'listening')
  await chmod(socketPath, 0o600)
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
