import type { Benchmark, BenchSettings } from './benchmark.ts'
import { type Footprint, measureFootprints } from './measure-footprints.ts'
import { addRows, emptyReport, type Report, type Unit } from './report.ts'

/** What our agent costs a guest, beside two from Debian's packages: starting, and with nothing to do. */
export const agent: Benchmark = { name: 'agent', measure }

const startCount = 9
/** A queue service holds a claim for 30 s: in less there is nothing to count. */
const shortestIdleMs = 60_000

async function measure({ directory, budgetMs, world }: BenchSettings): Promise<Report> {
  const report = emptyReport('agent')
  const idleMs = Math.max(shortestIdleMs, budgetMs)
  const { footprints, skipped } = await measureFootprints({
    directory,
    starts: startCount,
    idleMs,
    world,
  })
  report.skipped.push(...skipped)
  const rows: [string, Unit, (footprint: Footprint) => number[]][] = [
    ['start to first claim or poll', 'ms', ({ starts }) => starts],
    ['package', 'MiB', ({ packageBytes }) => [packageBytes / 2 ** 20]],
    ['installed', 'MiB', ({ installedBytes }) => [installedBytes / 2 ** 20]],
    ['idle RSS', 'MiB', ({ rssBytes }) => [rssBytes / 2 ** 20]],
    ['idle PSS', 'MiB', ({ pssBytes }) => [pssBytes / 2 ** 20]],
    ['of it anonymous', 'MiB', ({ anonymousBytes }) => [anonymousBytes / 2 ** 20]],
    ['processor, idle for 10 min', 'ms', ({ idleCpuMs }) => [idleCpuMs]],
    ['requests, idle for 1 h', '1/h', ({ idleRequests }) => [idleRequests]],
  ]
  for (const [what, unit, pick] of rows) {
    const sides = footprints.map((footprint) => [footprint.name, pick(footprint)] as const)
    addRows(report, what, unit, new Map(sides))
  }
  report.notes.push(
    `all idled beside each other for ${Math.round(idleMs / 1000)} s, and idle figures are scaled from that`,
    'the packages of Debian are counted without what they depend on; ours needs the C and C++ libraries only',
  )
  return report
}
