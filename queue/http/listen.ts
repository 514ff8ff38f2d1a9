import { readFileSync } from 'node:fs'
import type { RequestListener, Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { ConfigInvalidError } from '../../protocol/errors.ts'
import { CannotListenError, PortTakenError } from '../errors.ts'

// An import statement reads all that the module has, one part of which loads Node's own undici: 16 MiB and 50 ms.
const { createServer: createHttpServer } = process.getBuiltinModule('node:http')

/** Where to listen, and how. */
export interface ListenOptions {
  host: string
  /** 0 takes any free one. */
  port: number
  /** PEM files; without them plain HTTP. */
  tls?: { certFile: string; keyFile: string }
  /** Open connections; beyond it new ones are closed at once. */
  limits: { maxConnections: number }
}

/** Agents come back to a connection after minutes: making one, with TLS, costs more than keeping it. */
const keepAliveMs = 600_000
/**
 * After so long without a byte TCP asks the client whether it is there; Node asks ten times, a second apart. Who waits for a
 * message may be silent for minutes, and one that is given to a dead connection comes back only when its claim ends.
 */
const probe = { keepAlive: true, keepAliveInitialDelay: 60_000 }
/** A request without a body costs a tenth less where no stream is made for it. */
const serverOptions = { ...probe, optimizeEmptyRequests: true }
/** Connections that wait to be accepted: a whole fleet may come back at one moment. The kernel has a bound of its own. */
const backlog = 4096
/** For a whole request to arrive; who is slower is cut off. */
const requestMs = 60_000

/**
 * Listens, with TLS if there is a certificate.
 *
 * @returns the server, and the URL under which it can be reached.
 * @throws {PortTakenError}
 * @throws {CannotListenError}
 * @throws {ConfigInvalidError} the certificate or its key cannot be read.
 */
export async function listen(
  options: ListenOptions,
  answer: RequestListener,
): Promise<{ server: Server; url: string }> {
  const server = createServer(options, answer)
  server.keepAliveTimeout = keepAliveMs
  server.requestTimeout = requestMs
  server.headersTimeout = requestMs
  server.maxConnections = options.limits.maxConnections
  await startListening(server, options)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return { server, url: `${options.tls === undefined ? 'http' : 'https'}://${host}:${port}` }
}

function createServer({ tls }: ListenOptions, answer: RequestListener): Server {
  if (tls === undefined) return createHttpServer(serverOptions, answer)
  try {
    const cert = readFileSync(tls.certFile)
    const key = readFileSync(tls.keyFile)
    return createHttpsServer({ ...serverOptions, cert, key, minVersion: 'TLSv1.2' }, answer)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigInvalidError(
      `cannot use the TLS certificate ${tls.certFile} with the key ${tls.keyFile}: ${reason}`,
      { cause: error },
    )
  }
}

async function startListening(server: Server, { host, port }: ListenOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port, backlog }, resolve)
  try {
    await promise
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new PortTakenError(host, port, { cause: error })
    }
    const reason = error instanceof Error ? error.message : String(error)
    throw new CannotListenError(`cannot listen on ${host} port ${port}: ${reason}`, {
      cause: error,
    })
  } finally {
    server.off('error', reject)
  }
}
