import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { renderConfiguration } from './render-configuration.ts'
import { createService, type Service } from './service.ts'
import { uwsgiCommand } from './uwsgi-command.ts'

/** A Keystone whose database and keys are in `directory` already (see keystone-template.ts). */
export function createKeystone(directory: string, port: number): Service {
  return createService({
    name: 'keystone',
    command: uwsgiCommand(port, 1, ['--wsgi-file', '/usr/bin/keystone-wsgi-public']),
    environment: { OS_KEYSTONE_CONFIG_FILES: join(directory, 'keystone.conf') },
    logPath: join(directory, 'keystone.log'),
    isReady: async (signal) => {
      const response = await fetch(`http://127.0.0.1:${port}/v3`, { signal })
      await response.body?.cancel()
      return response.status === 200
    },
  })
}

/** @returns the path of the configuration that both Keystone and `keystone-manage` read. */
export function writeKeystoneConfiguration(directory: string, tokenLifeSeconds: number): string {
  const path = join(directory, 'keystone.conf')
  const text = renderConfiguration({
    database: {
      connection: `sqlite:///${join(directory, 'keystone.db')}`,
      sqlite_synchronous: false,
    },
    token: { provider: 'fernet', expiration: tokenLifeSeconds },
    fernet_tokens: { key_repository: join(directory, 'fernet') },
    // Not used by us, but made with the others; the default is in /etc.
    fernet_receipts: { key_repository: join(directory, 'receipts') },
    credential: { key_repository: join(directory, 'credential') },
    // The least that bcrypt takes: the default costs half a second per password check.
    identity: { password_hash_rounds: 4 },
    cache: { enabled: true, backend: 'oslo_cache.dict' },
  })
  writeFileSync(path, text, { mode: 0o600 })
  return path
}
