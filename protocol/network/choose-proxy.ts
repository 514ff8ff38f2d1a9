import { BlockList, isIP, isIPv6 } from 'node:net'
import type { NetworkSettings } from './network-options.ts'

/** Through which proxy an endpoint is reached, if any, and why: for `doctor`. */
export interface ProxyChoice {
  proxy: URL | null
  because: string
}

/** Chooses the proxy for an endpoint. Pure. Loopback never goes through one, as a proxy elsewhere has a loopback of its own. */
export function chooseProxy(endpoint: URL, settings: NetworkSettings): ProxyChoice {
  const host = endpoint.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  const { value, from } = endpoint.protocol === 'https:' ? settings.httpsProxy : settings.httpProxy
  if (value === null) return { proxy: null, because: `no proxy is set (${from})` }
  if (isLoopback(host)) return { proxy: null, because: 'loopback is never reached by a proxy' }
  const port = Number(endpoint.port) || (endpoint.protocol === 'https:' ? 443 : 80)
  const entry = settings.noProxy.value.find((each) => isExcepted(each, host, port))
  if (entry === undefined) return { proxy: value, because: from }
  return { proxy: null, because: `${settings.noProxy.from} has "${entry}"` }
}

/** A proxy's URL as it may be shown: without its password. */
export function showProxy(proxy: URL): string {
  const shown = new URL(proxy)
  if (shown.password !== '') shown.password = '***'
  return shown.href
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  return isIP(host) !== 0 && loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

/** Whether an entry of NO_PROXY speaks of this host and port. What it cannot make sense of excepts nothing. */
function isExcepted(entry: string, host: string, port: number): boolean {
  const { name, port: onlyPort } = splitPort(entry.toLowerCase())
  if (onlyPort !== undefined && onlyPort !== port) return false
  if (name === '*') return true
  if (name.includes('/')) return isInNetwork(host, name)
  if (isIP(name) !== 0) return isInNetwork(host, `${name}/${isIPv6(name) ? 128 : 32}`)
  const suffix = name.replace(/^\*?\./, '').replace(/\.$/, '')
  return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`))
}

function splitPort(entry: string): { name: string; port?: number } {
  const [, bracketed, afterBracket] = /^\[(.+)\](?::(\d+))?$/.exec(entry) ?? []
  if (bracketed !== undefined) {
    return {
      name: bracketed,
      ...(afterBracket === undefined ? {} : { port: Number(afterBracket) }),
    }
  }
  const [, name, port] = /^([^:]+):(\d+)$/.exec(entry) ?? []
  return name === undefined ? { name: entry } : { name, port: Number(port) }
}

function isInNetwork(host: string, network: string): boolean {
  const [, address = '', bits = ''] = /^(.+)\/(\d+)$/.exec(network) ?? []
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  if (isIP(address) === 0 || isIP(host) === 0 || isIPv6(host) !== isIPv6(address)) return false
  if (Number(bits) > (family === 'ipv6' ? 128 : 32)) return false
  const list = new BlockList()
  list.addSubnet(address, Number(bits), family)
  return list.check(host, family)
}
