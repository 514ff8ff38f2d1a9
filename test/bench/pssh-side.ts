import { existsSync } from 'node:fs'
import { execa } from 'execa'
import { debianEnvironment } from '../zaqar/service.ts'
import { type Side, timed } from './alternate.ts'
import type { Report } from './report.ts'
import type { TestSshd } from './start-sshd.ts'

const program = '/usr/bin/parallel-ssh'
const patienceMs = 120_000

/** `true` by pssh as if on `count` machines: each gets a connection of its own, all at once. No side without it. */
export function psshSide(report: Report, sshd: TestSshd | undefined, count: number): Side[] {
  if (sshd === undefined) return []
  if (!existsSync(program)) {
    report.skipped.push({ side: 'pssh', reason: 'apt-get install pssh' })
    return []
  }
  const hosts = Array.from({ length: count }, (_, index) => `bench-${index + 1}`).join(' ')
  const ssh = `-F ${sshd.configPath} -o ControlPath=none`
  const words = ['-H', hosts, '-p', String(count), '-x', ssh, '/bin/true']
  const run = async () => {
    await execa(program, words, { env: debianEnvironment, stdio: 'ignore', timeout: patienceMs })
  }
  return [timed('pssh', run)]
}
