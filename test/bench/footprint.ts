import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { execa } from 'execa'
import { realWorld } from '../../protocol/real-world.ts'
import type { Footprint } from './idle-cost.ts'
import { measureAgent } from './measure-agent.ts'
import { measureOsCollectConfig } from './measure-os-collect-config.ts'
import { measureQemuGuestAgent } from './measure-qemu-guest-agent.ts'

/**
 * What the agent costs a guest that has nothing to do, beside two agents from Debian's packages, measured in one run:
 * `node test/bench/footprint.ts [--idle-seconds 600] [--packages dist]`. Prints the table of docs/performance.md.
 * With `--packages` it takes what `npm run build:agent` has made, else it builds.
 */
const { values } = parseArgs({
  options: {
    'idle-seconds': { type: 'string', default: '60' },
    packages: { type: 'string' },
  },
})
const idleMs = Number(values['idle-seconds']) * 1000

const directory = await mkdtemp(join(tmpdir(), 'sahara-footprint-'))
try {
  const packages = values.packages ?? join(directory, 'dist')
  if (values.packages === undefined) {
    await execa(process.execPath, ['cloud-init/build/main.ts', '--out', packages])
  }
  // One after the other: they would take the processor from each other.
  const measured = [await measureAgent(packages, directory, idleMs, realWorld())]
  if (isInstalled('qemu-ga'))
    measured.push(await measureQemuGuestAgent(directory, idleMs, realWorld()))
  if (isInstalled('os-collect-config')) {
    measured.push(await measureOsCollectConfig(directory, idleMs, realWorld()))
  }
  process.stdout.write(renderTable(measured))
} finally {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 })
}

function renderTable(measured: readonly Footprint[]): string {
  const rows: [string, (footprint: Footprint) => string][] = [
    ['package', ({ packageBytes }) => mebibytes(packageBytes)],
    ['installed', ({ installedBytes }) => mebibytes(installedBytes)],
    [
      'start to first claim or poll',
      ({ startMs }) => (startMs === undefined ? '-' : `${Math.round(startMs)} ms`),
    ],
    ['idle RSS', ({ rssBytes }) => mebibytes(rssBytes)],
    ['idle PSS', ({ pssBytes }) => mebibytes(pssBytes)],
    ['of it anonymous (not the program’s file)', ({ anonymousBytes }) => mebibytes(anonymousBytes)],
    ['processor, idle for 10 min', ({ idleCpuMs }) => `${Math.round(idleCpuMs)} ms`],
    ['requests, idle for 1 h', ({ idleRequests }) => String(Math.round(idleRequests))],
  ]
  const head = ['', ...measured.map(({ name }) => name)]
  const lines = [
    head,
    head.map(() => '---'),
    ...rows.map(([title, show]) => [title, ...measured.map(show)]),
  ]
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

function mebibytes(bytes: number | undefined): string {
  return bytes === undefined ? '-' : `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}
