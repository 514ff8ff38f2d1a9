import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { abortable } from '../../protocol/abortable.ts'
import { OperationFailure, OperationRefusal } from './operation-failure.ts'
import { type AddressVerdict, judgeAddress } from './own-address.ts'

/** Where a request goes: an address that was checked, and what is said there. */
export interface HttpTarget {
  isSecure: boolean
  /** Without brackets; for TLS and for messages, never resolved again. */
  hostName: string
  /** In the order in which they are tried; all are this instance's. */
  addresses: readonly string[]
  port: number
  /** With its query. */
  path: string
  /** For the `Host` header, unless the command brings one. */
  host: string
}

/**
 * Resolves a URL to addresses of this instance. A name is resolved once, and the addresses that were checked are those that
 * are used: a name server that answers differently the second time (DNS rebinding) is not asked a second time.
 *
 * @throws {OperationRefusal} it leads elsewhere.
 * @throws {OperationFailure} the name cannot be resolved.
 */
export async function findTarget(text: string, signal: AbortSignal): Promise<HttpTarget> {
  const url = parseUrl(text)
  const hostName = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const found = isIP(hostName) === 0 ? await resolve(hostName, signal) : [hostName]
  const ownAddresses = readOwnAddresses()
  const verdicts = found.map((address) => judgeAddress(address, ownAddresses))
  const addresses = found.filter((_, index) => verdicts[index] === 'own')
  if (addresses.length === 0) {
    throw refuse(hostName, verdicts.find((verdict) => verdict !== 'own') ?? 'elsewhere')
  }
  const isSecure = url.protocol === 'https:'
  const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port)
  return { isSecure, hostName, addresses, port, path: url.pathname + url.search, host: url.host }
}

function parseUrl(text: string): URL {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol)) throw malformed('give an http:// or https:// URL')
  if (url.username || url.password) {
    throw malformed('give no user or password in it; send an Authorization header')
  }
  return url
}

function malformed(why: string): OperationRefusal {
  return new OperationRefusal('operation-malformed', `url: ${why}`)
}

async function resolve(hostName: string, signal: AbortSignal): Promise<string[]> {
  try {
    const found = await abortable(lookup(hostName, { all: true, order: 'verbatim' }), signal)
    return found.map(({ address }) => address)
  } catch (cause) {
    signal.throwIfAborted()
    throw new OperationFailure('no-such-host', `the name "${hostName}" cannot be resolved here`, {
      cause,
    })
  }
}

function readOwnAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) =>
    (each ?? []).map(({ address }) => address),
  )
}

function refuse(hostName: string, verdict: Exclude<AddressVerdict, 'own'>): OperationRefusal {
  return new OperationRefusal('address-not-allowed', `"${hostName}" ${reasons[verdict]}`)
}

const reasons = {
  'link-local': 'is link-local, as the metadata service is; no request goes there',
  mapped: 'is an IPv4 address written as IPv6; write it as IPv4',
  elsewhere:
    'is no address of this instance; a request goes to loopback or to the instance’s own addresses only',
} as const satisfies Record<Exclude<AddressVerdict, 'own'>, string>
