import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'

/** A request as it came in. */
interface SeenRequest {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: string
}

/** What the server answers to one request. */
export interface PlannedReply {
  status: number
  headers?: Record<string, string>
  body?: string
}

export interface ProgrammableServer extends AsyncDisposable {
  endpoint: string
  requests: SeenRequest[]
  /** How many connections were opened. */
  connectionCount: () => number
}

/** An HTTP/1.1 server on loopback that answers its requests one after another as planned, then with 500. */
export async function startServer(...replies: PlannedReply[]): Promise<ProgrammableServer> {
  const requests: SeenRequest[] = []
  let connections = 0
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      requests.push({ method, url, headers, body: Buffer.concat(chunks).toString() })
      const reply = replies[requests.length - 1] ?? { status: 500, body: 'nothing is planned' }
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers })
      response.end(reply.body)
    })
  })
  server.on('connection', () => {
    connections += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: endpointOf(server.address()),
    requests,
    connectionCount: () => connections,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A server that hands each connection to `serve` once its first bytes have come: for what no HTTP library would write. */
export async function startRawServer(
  serve: (socket: Socket) => void,
): Promise<{ endpoint: string; connectionCount: () => number } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createTcpServer((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => serve(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: endpointOf(server.address()),
    connectionCount: () => connections,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function endpointOf(address: string | { port: number } | null): string {
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return `http://127.0.0.1:${address.port}`
}
