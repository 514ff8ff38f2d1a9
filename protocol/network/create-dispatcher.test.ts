import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import {
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { fakeWorld } from '../../test/fake-world.ts'
import { QueueUnreachableError } from '../zaqar/errors.ts'
import { createZaqarClient } from '../zaqar/zaqar-client.ts'
import { createDispatcher } from './create-dispatcher.ts'
import { resolveNetwork } from './network-options.ts'
import { makeCertificates } from './test-certificates.fixture.ts'

let opened: AsyncDisposableStack
beforeEach(() => {
  opened = new AsyncDisposableStack()
})
afterEach(async () => opened.disposeAsync())

async function listen(server: Server | TcpServer, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.listen(0, host)
  await once(server, 'listening')
  opened.defer(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return z.object({ port: z.int() }).parse(server.address()).port
}

interface Reaching {
  env?: Record<string, string>
  authorities?: string[]
  world?: ReturnType<typeof fakeWorld>
}

function reach(
  endpoint: string,
  { env = {}, authorities = [], world = fakeWorld() }: Reaching = {},
) {
  const dispatcher = createDispatcher(new URL(endpoint), {
    settings: resolveNetwork({}, env),
    certificateAuthorities: authorities,
    connections: 4,
  })
  opened.defer(async () => dispatcher.destroy())
  return createZaqarClient(
    {
      endpoint,
      clientId: '3381af92-2b9e-11e3-b191-71861300734c',
      projectId: 'p1',
      auth: { kind: 'none' },
      dispatcher,
    },
    world,
  )
}

/** A queue service as far as a ping goes. */
const answerPing: Parameters<typeof createServer>[1] = (_request, response) => {
  response.writeHead(204).end()
}

/** A proxy that forwards http:// and tunnels https:// to one port on loopback, whatever name it is asked for. */
async function startProxy(targetPort: number) {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(
      `${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim(),
    )
    response.writeHead(204).end()
  })
  server.on('connect', (request, socket, head) => {
    seen.push(`CONNECT ${request.url}`)
    const through = connect(targetPort, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      through.write(head)
      through.pipe(socket)
      socket.pipe(through)
    })
    through.on('error', () => socket.destroy())
    socket.on('error', () => through.destroy())
    opened.defer(async () => {
      through.destroy()
      socket.destroy()
    })
  })
  return { url: `http://127.0.0.1:${await listen(server)}`, seen }
}

describe('a way to an endpoint', () => {
  test('goes through the proxy for http://, with the proxy’s own credentials', async () => {
    const proxy = await startProxy(0)
    const http_proxy = proxy.url.replace('//', '//me:secret@')
    await reach('http://zaqar.test:8888/base', { env: { http_proxy } }).ping()
    expect(proxy.seen).toEqual([
      `GET http://zaqar.test:8888/base/v2/ping Basic ${btoa('me:secret')}`,
    ])
  })

  test('tunnels https:// through the proxy, and checks the endpoint’s certificate inside', async () => {
    const { key, certificate, authority } = makeCertificates('zaqar.test')
    const port = await listen(createSecureServer({ key, cert: certificate }, answerPing))
    const proxy = await startProxy(port)
    const env = { https_proxy: proxy.url }
    await reach('https://zaqar.test:8888', { env, authorities: [authority] }).ping()
    expect(proxy.seen).toEqual(['CONNECT zaqar.test:8888'])
    await expect(reach('https://zaqar.test:8888', { env }).ping()).rejects.toMatchObject({
      reason: 'tls',
    })
    const other = reach('https://other.test:8888', { env, authorities: [authority] })
    await expect(other.ping()).rejects.toMatchObject({ reason: 'tls' })
  })

  test('goes around the proxy where NO_PROXY says so', async () => {
    const port = await listen(createServer(answerPing))
    const env = { http_proxy: 'http://no-such-proxy.invalid:1', no_proxy: '127.0.0.0/8' }
    await reach(`http://127.0.0.1:${port}`, { env }).ping()
  })

  test.for([
    [
      'a proxy that wants a password',
      'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n',
    ],
    ['a proxy that refuses', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'],
    ['a proxy that hangs up', ''],
  ] as const)('%s is an outage of its own', async ([, answer]) => {
    const port = await listen(
      createTcpServer((socket) => void socket.once('data', () => socket.end(answer))),
    )
    const proxy = `http://127.0.0.1:${port}`
    const secure = reach('https://zaqar.test', { env: { https_proxy: proxy } })
    await expect(secure.ping()).rejects.toThrow(QueueUnreachableError)
  })

  test('a proxy that wants a password for http:// is an outage as well', async () => {
    const port = await listen(
      createServer((_request, response) => void response.writeHead(407).end()),
    )
    const env = { http_proxy: `http://127.0.0.1:${port}` }
    const asked = reach('http://zaqar.test', { env }).ping()
    await expect(asked).rejects.toMatchObject({ code: 'ERR_QUEUE_UNREACHABLE' })
    await expect(asked).rejects.toThrow('the proxy wants a user and a password (407)')
  })

  test('trusts an authority that it was given, and none that it was not', async () => {
    const { key, certificate, authority } = makeCertificates('localhost', '127.0.0.1')
    const port = await listen(createSecureServer({ key, cert: certificate }, answerPing))
    await reach(`https://127.0.0.1:${port}`, { authorities: [authority] }).ping()
    await expect(reach(`https://127.0.0.1:${port}`).ping()).rejects.toMatchObject({ reason: 'tls' })
  })

  test('reaches an endpoint that has IPv6 only', async () => {
    const port = await listen(createServer(answerPing), '::1')
    await reach(`http://[::1]:${port}`).ping()
  })

  test('tells a name that cannot be resolved', async () => {
    await expect(reach('http://zaqar.invalid').ping()).rejects.toMatchObject({ reason: 'dns' })
  })

  test('gives up a peer that has silently gone, and its connection: the next request makes a new one', async () => {
    const sockets: Socket[] = []
    const port = await listen(createTcpServer((socket) => void sockets.push(socket)))
    const world = fakeWorld()
    const queue = reach(`http://127.0.0.1:${port}`, { world })
    for (const count of [1, 2]) {
      const claiming = queue.claimMessages('q', { waitSeconds: 30 })
      claiming.catch(() => undefined)
      await expect.poll(() => sockets.length).toBe(count)
      const [socket] = sockets.slice(-1)
      if (!socket) throw new Error('nobody has connected')
      const closed = once(socket, 'close')
      // Reading is what makes a socket notice that the other end has closed.
      socket.resume()
      await world.advance(59_999)
      expect(socket.destroyed).toBe(false)
      await world.advance(1)
      await expect(claiming).rejects.toMatchObject({ reason: 'timeout' })
      await closed
    }
  })
})
