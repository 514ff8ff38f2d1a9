import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate authority of a test's own, and a server's certificate that it signed. */
export interface TestCertificates {
  authority: string
  key: string
  certificate: string
}

/** Makes them by openssl(1), for a day. */
export function makeCertificates(...names: string[]): TestCertificates {
  const directory = mkdtempSync(join(tmpdir(), 'sahara-certificates-'))
  const file = (name: string) => join(directory, name)
  const make = (name: string, ...more: string[]) => {
    const words = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '1',
    ]
    const output = [
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.pem`),
      '-subj',
      `/CN=${name}`,
    ]
    execFileSync('openssl', [...words, ...output, ...more], { stdio: 'ignore' })
  }
  try {
    make('authority')
    const alternatives = names.map((name) =>
      /^[0-9.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`,
    )
    make(
      'server',
      '-CA',
      file('authority.pem'),
      '-CAkey',
      file('authority.key'),
      '-addext',
      `subjectAltName=${alternatives.join(',')}`,
    )
    const read = (name: string) => readFileSync(file(name), 'utf8')
    return {
      authority: read('authority.pem'),
      key: read('server.key'),
      certificate: read('server.pem'),
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
