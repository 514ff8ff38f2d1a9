#!/usr/bin/env node
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { realWorld } from '../../protocol/real-world.ts'
import { benchmarks } from './benchmarks.ts'
import { measureApart } from './measure-apart.ts'
import { type Report, renderReport } from './report.ts'

const names = benchmarks.map(({ name }) => name)
const help = `npm run bench -- [NAME...] [--seconds 20] [--minutes 20] [--json dist/bench.json] ...

Measures ${names.join(', ')}, or those that are named: our side beside the
alternatives, in turns in one run. What is not installed is skipped by name. See docs/performance.md.

  --seconds    what the measuring of each may take; starting programs comes on top
  --minutes    what all of it may take; a benchmark that hangs is ended sooner, and named
  --agents     how many are asked at once in throughput. Default: 20,100
  --waiting    how many wait at one queue service in agents. Default: 1,100,1000,5000
  --mebibytes  sizes of the files in transfer. Default: 1,256
  --directory  where the databases lie; must be a real disk. Default: the system's directory for temporary files
  --json       the file with all figures, written anew after each benchmark
`
/** Beyond its measuring, a benchmark has so long to start and end its programs. */
const startingMs = 300_000

const numbers = (most: number, byDefault: string) =>
  z
    .string()
    .default(byDefault)
    .transform((text) => text.split(','))
    .pipe(z.array(z.coerce.number<string>().int().min(1).max(most)).min(1))

const Options = z.strictObject({
  seconds: z.coerce.number().min(0.1).max(3600).default(20),
  minutes: z.coerce.number().min(0.1).max(1440).default(20),
  agents: numbers(200, '20,100'),
  waiting: numbers(9000, '1,100,1000,5000'),
  mebibytes: numbers(1024, '1,256'),
  directory: z.string().min(1).default(tmpdir()),
  json: z.string().min(1).default('dist/bench.json'),
  help: z.boolean().default(false),
})

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    minutes: { type: 'string' },
    agents: { type: 'string' },
    waiting: { type: 'string' },
    mebibytes: { type: 'string' },
    directory: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
})
const options = Options.parse({ ...values })
const chosen = names.filter((name) => positionals.length === 0 || positionals.includes(name))
const unknown = positionals.filter((name) => !names.includes(name))

if (options.help) process.stdout.write(help)
else if (unknown.length > 0) {
  process.stderr.write(`error: there is no benchmark ${unknown.join(', ')}\n\n${help}`)
  process.exitCode = 2
} else await measureAll()

async function measureAll(): Promise<void> {
  const world = realWorld()
  const endMs = world.monotonicMs() + options.minutes * 60_000
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => interrupted.abort())
  }
  const { directory, json, seconds, minutes, agents, waiting, mebibytes } = options
  const budgetMs = seconds * 1000
  const machine = {
    processors: availableParallelism(),
    model: cpus().at(0)?.model ?? 'unknown',
    memoryBytes: totalmem(),
    // The load of one minute at the start: other work on the machine shows here.
    load: loadavg()[0],
    node: process.version,
  }
  const reports: Report[] = []
  const failed: { name: string; reason: string }[] = []
  const write = async () => {
    const settings = { seconds, minutes, agents, waiting, mebibytes }
    const document = { startedAt, machine, settings, reports, failed }
    await mkdir(dirname(json), { recursive: true })
    await writeFile(json, `${JSON.stringify(document, undefined, 2)}\n`)
  }
  const startedAt = world.now().toISOString()
  // One after the other: they would take the processor from each other.
  for (const name of chosen) {
    const capMs = Math.max(0, Math.min(budgetMs * 2 + startingMs, endMs - world.monotonicMs()))
    process.stderr.write(`${name} ...\n`)
    const assignment = { budgetMs, agents, waiting, mebibytes }
    const limits = { capMs, signal: interrupted.signal }
    const { report, problem } = await measureApart(name, directory, assignment, limits)
    if (report !== undefined) {
      process.stdout.write(`${renderReport(report)}\n`)
      reports.push(report)
    }
    if (problem !== undefined) {
      // The others can still be measured, but the run as a whole has failed.
      process.exitCode = 1
      failed.push({ name, reason: problem })
      process.stderr.write(`error: ${name} ${problem}\n`)
    }
    await write()
    if (interrupted.signal.aborted) {
      process.exitCode = 130
      return
    }
  }
}
