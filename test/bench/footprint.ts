import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { realWorld } from '../../protocol/real-world.ts'
import { type Footprint, measureFootprints } from './measure-footprints.ts'
import { summarize } from './summarize.ts'

/**
 * The same as `npm run bench -- agent`, as the table of docs/performance.md:
 * `npm run bench:footprint -- [--idle-seconds 600] [--starts 15] [--packages dist]`.
 * With `--packages` it takes what `npm run build:agent` has made, else it builds.
 */
const { values } = parseArgs({
  options: {
    'idle-seconds': { type: 'string', default: '60' },
    starts: { type: 'string', default: '9' },
    packages: { type: 'string' },
  },
})
const idleSeconds = z.coerce.number().min(1).max(7200).parse(values['idle-seconds'])
const startCount = z.coerce.number().int().min(1).max(1000).parse(values.starts)

const directory = await mkdtemp(join(tmpdir(), 'sahara-footprint-'))
try {
  const world = realWorld()
  const idleMs = idleSeconds * 1000
  const { packages } = values
  const measured = await measureFootprints({
    directory,
    packages,
    starts: startCount,
    idleMs,
    world,
  })
  process.stdout.write(renderTable(measured.footprints))
  process.stdout.write(`\nIdle for ${idleSeconds} s; ${startCount} starts.\n`)
  for (const { side, reason } of measured.skipped) {
    process.stdout.write(`Skipped: ${side} (${reason}).\n`)
  }
} finally {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 })
}

function renderTable(measured: readonly Footprint[]): string {
  const isScaled = idleSeconds === 600 ? '' : ', scaled'
  const rows: [string, (footprint: Footprint) => string][] = [
    ['package', ({ packageBytes }) => mebibytes(packageBytes)],
    ['installed', ({ installedBytes }) => mebibytes(installedBytes)],
    ['start to first claim or poll, median (p95)', ({ starts }) => describeStarts(starts)],
    ['idle RSS', ({ rssBytes }) => mebibytes(rssBytes)],
    ['idle PSS', ({ pssBytes }) => mebibytes(pssBytes)],
    ['of it anonymous', ({ anonymousBytes }) => mebibytes(anonymousBytes)],
    [`processor, idle for 10 min${isScaled}`, ({ idleCpuMs }) => `${Math.round(idleCpuMs)} ms`],
    ['requests, idle for 1 h, scaled', ({ idleRequests }) => String(Math.round(idleRequests))],
  ]
  const head = ['', ...measured.map(({ name }) => name)]
  const lines = [
    head,
    head.map(() => '---'),
    ...rows.map(([title, show]) => [title, ...measured.map(show)]),
  ]
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

function describeStarts(times: readonly number[]): string {
  if (times.length === 0) return '-'
  const { median, p95 } = summarize(times)
  return `${Math.round(median)} ms (${Math.round(p95)} ms)`
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
