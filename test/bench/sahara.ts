import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { z } from 'zod'
import { installDriver, pythonPath } from '../sahara/install-driver.ts'
import { missingSaharaPackages } from '../sahara/missing-packages.ts'
import { startSystem } from '../system/start-system.ts'
import type { Benchmark, BenchSettings } from './benchmark.ts'
import { bundleForBench } from './packaged-agent.ts'
import { addRows, emptyReport, type Report } from './report.ts'

/** Our driver beside Sahara's own SSH driver, inside Sahara's own Python: what the engine pays. */
export const sahara: Benchmark = { name: 'sahara', measure }

const pythonDirectory = fileURLToPath(new URL('../sahara/python', import.meta.url))
/** One round of all cases is always measured, and the SSH driver takes seconds for some. */
const patienceMs = 1_200_000

const Found = z.object({
  cases: z.array(
    z.object({
      what: z.string(),
      side: z.string(),
      /** None where it failed: `skipped` says why. */
      ms: z.array(z.number()),
      /** Of one call, on average. */
      cpu_ms: z.number(),
      peak_bytes: z.number(),
    }),
  ),
  skipped: z.array(z.object({ side: z.string(), reason: z.string() })),
  ssh_process_bytes: z.number().optional(),
})
type Found = z.output<typeof Found>

/** On so many instances as the smallest number of `agents`; each is an agent in namespaces of its own, of some 100 MiB. */
async function measure({ directory, budgetMs, agents }: BenchSettings): Promise<Report> {
  const report = emptyReport('sahara')
  const missing = missingSaharaPackages()
  if (missing.length > 0) {
    const reason = `apt-get install ${missing.join(' ')}`
    report.skipped.push({ side: 'both drivers', reason })
    return report
  }
  const driver = await installDriver(directory)
  await using system = await startSystem(join(directory, 'system'))
  const shared = join(directory, 'shared')
  await mkdir(shared, { mode: 0o755 })
  const ran = await execa(pythonPath, ['bench_drivers.py'], {
    cwd: pythonDirectory,
    timeout: budgetMs + patienceMs,
    env: {
      CONTROLLER_SOCKET: system.socketPath,
      QUEUE_URL: system.queue.url,
      SHARED: shared,
      CHAMBER_AGENT: await bundleForBench(join(shared, 'agent')),
      SECONDS: String(budgetMs / 1000),
      INSTANCES: String(Math.min(...agents)),
      PYTHONPATH: [driver, pythonDirectory].join(':'),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONWARNINGS: 'ignore',
    },
  })
  addFound(report, Found.parse(JSON.parse(ran.stdout.split('\n').at(-1) ?? '')))
  return report
}

function addFound(report: Report, { cases, skipped, ssh_process_bytes }: Found): void {
  for (const what of new Set(cases.map((one) => one.what))) {
    const sides = cases.filter((one) => one.what === what)
    const of = (take: (one: Found['cases'][number]) => number[]) =>
      new Map(sides.map((one) => [one.side, one.ms.length === 0 ? [] : take(one)]))
    addRows(
      report,
      what,
      'ms',
      of(({ ms }) => ms),
    )
    addRows(
      report,
      `${what}: CPU of the engine`,
      'ms',
      of(({ cpu_ms }) => [cpu_ms]),
    )
    addRows(
      report,
      `${what}: peak memory of the engine`,
      'MiB',
      of(({ peak_bytes }) => [peak_bytes / 2 ** 20]),
    )
  }
  report.skipped.push(...skipped)
  if (ssh_process_bytes !== undefined) {
    const mebibytes = (ssh_process_bytes / 2 ** 20).toFixed(0)
    report.notes.push(
      `the SSH driver has a process per call or \`with\` beside the engine, of up to ${mebibytes} MiB`,
    )
  }
  report.notes.push('CPU is the average of all calls')
}
