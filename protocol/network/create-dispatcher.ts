import tls from 'node:tls'
import { Agent, type Dispatcher, ProxyAgent } from 'undici'
import { chooseProxy } from './choose-proxy.ts'
import type { NetworkSettings } from './network-options.ts'

export interface DispatcherOptions {
  settings: NetworkSettings
  /** PEM certificates to trust besides the system's. */
  certificateAuthorities: readonly string[]
  /** Connections to the endpoint at once; null: as many as there are requests. */
  connections: number | null
}

/** How long a connection may take to come about, in milliseconds; a peer that drops packets says nothing. */
const connectTimeoutMs = 10_000
/**
 * After so long without a byte TCP asks the peer whether it is there, in milliseconds; Node asks ten times, a second apart. So a
 * peer that has silently gone is missed within 40 s, however long a claim may be held.
 */
const keepAliveProbeMs = 30_000

/**
 * Makes what carries requests to one endpoint, directly or through a proxy. Connections stay warm. The caller destroys it.
 *
 * HTTP/2 stays off: a request that is given up must take its connection along, so that a peer that has silently gone (half
 * open) is never asked a second time. With HTTP/2 only the stream would end.
 */
export function createDispatcher(
  endpoint: URL,
  { settings, certificateAuthorities, connections }: DispatcherOptions,
): Dispatcher {
  const { proxy } = chooseProxy(endpoint, settings)
  const isSecure = endpoint.protocol === 'https:' || proxy?.protocol === 'https:'
  const ca = isSecure ? { ca: withSystemAuthorities(certificateAuthorities) } : {}
  const reaching = {
    allowH2: false,
    timeout: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveProbeMs,
    ...ca,
  }
  const pool = {
    connections,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: 60_000,
    keepAliveMaxTimeout: 600_000,
  }
  if (proxy === null) return new Agent({ ...pool, connect: reaching })
  return new ProxyAgent({
    ...pool,
    uri: proxy.href,
    // Proxies forward http:// themselves; many refuse CONNECT to other ports than 443.
    proxyTunnel: false,
    connectTimeout: connectTimeoutMs,
    proxyTls: reaching,
    requestTls: reaching,
  })
}

/**
 * The system's authorities, as the machine's administrator wants them, or those that Node brings where the system has none;
 * those of NODE_EXTRA_CA_CERTS; and our own.
 */
export function withSystemAuthorities(certificateAuthorities: readonly string[]): string[] {
  const system = tls.getCACertificates('system')
  const common = system.length > 0 ? system : tls.getCACertificates('default')
  return [...common, ...tls.getCACertificates('extra'), ...certificateAuthorities]
}
