import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'

/** How user-data reaches a machine: on a disk as NoCloud wants it, or as Nova's config drive. */
export type SeedKind = 'nocloud' | 'config-drive'

/** Makes an ISO with user-data and an instance's identity on it; returns its path. */
export async function makeSeed(kind: SeedKind, seed: Seed, directory: string): Promise<string> {
  const files = kind === 'nocloud' ? noCloudFiles(seed) : openStackFiles(seed)
  const content = join(directory, `seed-${kind}`)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(content, name)), { recursive: true })
    await writeFile(join(content, name), text)
  }
  const iso = `${content}.iso`
  const label = kind === 'nocloud' ? 'cidata' : 'config-2'
  await execa('genisoimage', [
    '-quiet',
    '-output',
    iso,
    '-volid',
    label,
    '-joliet',
    '-rock',
    content,
  ])
  return iso
}

export interface Seed {
  userData: string
  /** What the instance is called by its cloud: Nova's UUID. */
  instanceId: string
}

function noCloudFiles({ userData, instanceId }: Seed): Record<string, string> {
  return {
    'user-data': userData,
    'meta-data': `instance-id: ${instanceId}\nlocal-hostname: guest\n`,
    'network-config': 'version: 2\nethernets: {eth0: {dhcp4: true, dhcp6: false}}\n',
  }
}

/** What Nova puts on a config drive, and serves under the same names. */
export function openStackFiles({ userData, instanceId }: Seed): Record<string, string> {
  const metadata = { uuid: instanceId, hostname: 'guest', name: 'guest', availability_zone: 'nova' }
  const network = {
    links: [{ id: 'l0', type: 'phy', ethernet_mac_address: machineAddress }],
    networks: [{ id: 'n0', link: 'l0', type: 'ipv4_dhcp' }],
    services: [],
  }
  return {
    'openstack/latest/meta_data.json': JSON.stringify(metadata),
    'openstack/latest/user_data': userData,
    'openstack/latest/network_data.json': JSON.stringify(network),
    'openstack/latest/vendor_data.json': '{}',
  }
}

/** The machine's network card. */
export const machineAddress = '52:54:00:12:34:56'
