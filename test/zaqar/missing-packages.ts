import { existsSync } from 'node:fs'

/** What a real Zaqar needs, and a file by which each Debian package is known; `.ci/install-zaqar` installs the same list. */
const fileOfPackage = {
  'redis-server': '/usr/bin/redis-server',
  'zaqar-server': '/usr/bin/zaqar-server',
  'python3-redis': '/usr/lib/python3/dist-packages/redis',
  keystone: '/usr/bin/keystone-manage',
  'uwsgi-core': '/usr/bin/uwsgi-core',
  'uwsgi-plugin-python3': '/usr/bin/uwsgi_python3',
  'util-linux': '/usr/bin/setpriv',
} as const

/**
 * The Debian packages that `startZaqar` needs and this machine lacks; `[]` when it can start.
 * A test that needs them skips with this list in its reason.
 */
export function missingZaqarPackages(): string[] {
  return Object.entries(fileOfPackage)
    .filter(([, file]) => !existsSync(file))
    .map(([name]) => name)
}
