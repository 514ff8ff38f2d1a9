import { BlockList, isIP, isIPv6 } from 'node:net'

/** Whether an address may be reached: it belongs to this instance, or why it may not. */
export type AddressVerdict = 'own' | 'link-local' | 'mapped' | 'elsewhere'

/**
 * Judges an address that the `http` operation is to connect to. Pure. Only loopback and the instance's own addresses pass.
 * Link-local ones never do, not even on an interface of ours: the metadata service with the instance's secrets lives there,
 * and some clouds bind it to an interface. IPv4 addresses in the clothes of IPv6 are refused, whatever they stand for.
 *
 * @param ownAddresses of the instance's interfaces, IPv4 and IPv6.
 */
export function judgeAddress(address: string, ownAddresses: readonly string[]): AddressVerdict {
  if (isIP(address) === 0) return 'elsewhere'
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  const [plain = ''] = address.split('%')
  if (linkLocal.check(plain, family)) return 'link-local'
  // BlockList sees through mapped addresses, so these come after it: the refusal names the worse reason.
  const canonical = canonicalAddress(plain)
  if (canonical.startsWith('::ffff:')) return 'mapped'
  if (plain !== address) return 'elsewhere'
  if (loopback.check(plain, family)) return 'own'
  return ownAddresses.some((own) => isIP(own) !== 0 && canonicalAddress(own) === canonical)
    ? 'own'
    : 'elsewhere'
}

const linkLocal = new BlockList()
linkLocal.addSubnet('169.254.0.0', 16, 'ipv4')
linkLocal.addSubnet('fe80::', 10, 'ipv6')

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** One text for each IPv6 address (RFC 5952), in hex throughout; IPv4 stays as it is. */
function canonicalAddress(address: string): string {
  if (!isIPv6(address)) return address
  return URL.parse(`http://[${address}]/`)?.hostname.slice(1, -1) ?? address
}
