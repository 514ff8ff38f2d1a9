import { existsSync } from 'node:fs'

/** What the real Sahara needs, and a file by which each Debian package is known; `.ci/install-sahara` installs the same list. */
const fileOfPackage = {
  'sahara-engine': '/usr/bin/sahara-engine',
  'python3-sahara': '/usr/lib/python3/dist-packages/sahara',
  'openssh-server': '/usr/sbin/sshd',
  openssl: '/usr/bin/openssl',
  sudo: '/usr/bin/sudo',
  'python3-pip': '/usr/lib/python3/dist-packages/pip',
  'python3-setuptools': '/usr/lib/python3/dist-packages/setuptools',
  'python3-wheel': '/usr/lib/python3/dist-packages/wheel',
  'util-linux': '/usr/bin/unshare',
  iproute2: '/usr/sbin/ip',
} as const

/** The Debian packages that the tests inside Sahara need and this machine lacks; `[]` when they can run. */
export function missingSaharaPackages(): string[] {
  return Object.entries(fileOfPackage)
    .filter(([, file]) => !existsSync(file))
    .map(([name]) => name)
}
