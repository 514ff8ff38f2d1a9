import { PolicyFile, type PresetName, type Rule } from './policy-file.ts'

interface Preset {
  /** For whom it is, in a sentence. */
  purpose: string
  rules: readonly Rule[]
}

/**
 * Secrets that many programs can read as root, and nobody who only looks needs. The list helps and promises nothing: only who
 * names the paths that may be read knows what may not.
 */
const secrets = [
  '/etc/shadow*',
  '/etc/gshadow*',
  '/etc/sudoers*',
  '/etc/ssh/ssh_host_*_key',
  '/etc/ssl/private/**',
  '/etc/pki/tls/private/**',
  '/**/*.keytab',
  '/**/.ssh/**',
  '/**/.gnupg/**',
  '/**/.aws/**',
  '/**/.netrc',
  '/**/.pgpass',
  // User-data, with the secret by which the agent enrols.
  '/var/lib/cloud/**',
  '/run/cloud-init/*sensitive*',
  '/run/cloud-init/combined-cloud-config.json',
  '/proc/kcore',
  '/proc/**/environ',
  '/proc/**/mem',
]

/** Rules to begin with; a file's own rules come before them. */
export const presets = {
  sahara: {
    purpose:
      'what OpenStack Sahara needs: any command as root or the login user, any file, any local port',
    rules: rules([
      { name: 'commands', allow: ['exec', 'stdin'] },
      { name: 'files', allow: ['read', 'write'], ownerAndSetId: true },
      { name: 'web', allow: 'http' },
      { name: 'ping', allow: 'ping' },
    ]),
  },
  'read-only': {
    purpose: 'files may be read, but for well-known secrets; nothing is run or changed',
    rules: rules([
      { name: 'secrets', refuse: 'read', paths: secrets },
      { name: 'files', allow: 'read' },
      { name: 'ping', allow: 'ping' },
    ]),
  },
  nothing: { purpose: 'nothing but what the file’s own rules allow', rules: [] },
} as const satisfies Record<PresetName, Preset>

function rules(written: readonly unknown[]): readonly Rule[] {
  return PolicyFile.parse({ version: 1, rules: written }).rules
}
