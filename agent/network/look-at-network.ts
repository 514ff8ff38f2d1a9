import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

/**
 * The guest's network as a text, to be compared with a later one: addresses of interfaces that are up and have a carrier,
 * default routes, name servers. Link-local addresses are left out: they come and go with every container.
 */
export function lookAtNetwork(): string {
  const addresses = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ internal, address }) => !internal && !/^(?:fe80:|169\.254\.)/i.test(address))
    .map(({ address }) => address)
  return [...addresses.toSorted(), ...readDefaultRoutes(), readText('/etc/resolv.conf')].join('\n')
}

/** Interface and gateway of each default route. @see proc_pid_net(5) */
function readDefaultRoutes(): string[] {
  const overIpv4 = readFields('/proc/net/route').filter(
    ([, destination]) => destination === '00000000',
  )
  const overIpv6 = readFields('/proc/net/ipv6_route').filter(
    ([destination, bits, , , , , , , , device]) =>
      destination === '0'.repeat(32) && bits === '00' && device !== 'lo',
  )
  return [
    ...overIpv4.map(([device, , gateway]) => `${device} ${gateway}`),
    ...overIpv6.map(([, , , , gateway, , , , , device]) => `${device} ${gateway}`),
  ].toSorted()
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** A table of the kernel's: lines of words. */
function readFields(path: string): string[][] {
  return readText(path)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
}
