#!/usr/bin/env node
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { realWorld } from '../../protocol/real-world.ts'
import { queue } from './queue.ts'
import { type Report, renderReport } from './report.ts'
import { roundTrip } from './round-trip.ts'
import { sahara } from './sahara.ts'
import { throughput } from './throughput.ts'
import { transfer } from './transfer.ts'

const help = `npm run bench -- [NAME...] [--seconds 20] [--agents 20] [--mebibytes 1,64] [--directory DIR] [--json FILE]

Measures round-trip, throughput, queue, transfer and sahara, or those that are named: our side beside the alternatives,
in turns in one run. What is not installed is skipped by name. See docs/performance.md.

  --seconds    what the measuring of each may take; starting programs comes on top
  --agents     how many are asked at once in throughput
  --mebibytes  sizes of the files in transfer
  --directory  where the databases lie; must be a real disk. Default: the system's directory for temporary files
  --json       writes all figures into this file as well
`
const benchmarks = [roundTrip, throughput, queue, transfer, sahara]

const Options = z.strictObject({
  seconds: z.coerce.number().min(0.1).max(3600).default(20),
  agents: z.coerce.number().int().min(1).max(200).default(20),
  mebibytes: z
    .string()
    .default('1,64')
    .transform((text) => text.split(','))
    .pipe(z.array(z.coerce.number<string>().int().min(1).max(1024)).min(1)),
  directory: z.string().min(1).default(tmpdir()),
  json: z.string().min(1).optional(),
  help: z.boolean().default(false),
})

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    agents: { type: 'string' },
    mebibytes: { type: 'string' },
    directory: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
})
const options = Options.parse({ ...values })
const chosen = benchmarks.filter(
  ({ name }) => positionals.length === 0 || positionals.includes(name),
)
const unknown = positionals.filter((name) => benchmarks.every((one) => one.name !== name))

if (options.help) process.stdout.write(help)
else if (unknown.length > 0) {
  process.stderr.write(`error: there is no benchmark ${unknown.join(', ')}\n\n${help}`)
  process.exitCode = 2
} else await measureAll()

async function measureAll(): Promise<void> {
  const world = realWorld()
  const startedAt = world.now().toISOString()
  const reports: Report[] = []
  // One after the other: they would take the processor from each other.
  for (const { name, measure } of chosen) {
    const directory = await mkdtemp(join(options.directory, `sahara-bench-${name}-`))
    try {
      const budgetMs = options.seconds * 1000
      const report = await measure({ ...options, directory, budgetMs, world })
      process.stdout.write(`${renderReport(report)}\n`)
      reports.push(report)
    } catch (error) {
      // The others can still be measured, but the run as a whole has failed.
      process.exitCode = 1
      process.stderr.write(
        `error: ${name}: ${error instanceof Error ? error.stack : String(error)}\n`,
      )
    } finally {
      await rm(directory, { recursive: true, force: true, maxRetries: 5 })
    }
  }
  if (options.json === undefined) return
  const machine = {
    processors: availableParallelism(),
    model: cpus().at(0)?.model ?? 'unknown',
    memoryBytes: totalmem(),
    node: process.version,
  }
  const { seconds, agents, mebibytes } = options
  const document = { startedAt, machine, settings: { seconds, agents, mebibytes }, reports }
  await writeFile(options.json, `${JSON.stringify(document, undefined, 2)}\n`)
}
