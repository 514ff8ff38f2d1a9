#!/usr/bin/env node
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type ChaosCluster, startChaosCluster } from '../chaos/chaos-cluster.ts'
import { judgeEnding } from '../chaos/judge-ending.ts'
import { type Ended, seeToEnd } from '../chaos/load.ts'
import { planChaos } from '../chaos/plan.ts'
import { feedBytes } from '../chaos/planned-command.ts'
import { findRunners } from '../system/end-runner.ts'
import { judgeGrowth, type Measure } from './judge-growth.ts'
import { type Sample, takeSample, type Watched } from './sample.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    /** Commands a second. */
    rate: { type: 'string', default: '5' },
    /** Seconds between two samples. */
    every: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
  },
})
const runMs = Number(values.minutes) * 60_000
const megabyte = 2 ** 20

/** How much more a program may use in the last quarter of a run than in the second. */
const bounds: Record<Measure, number> = {
  memoryBytes: 32 * megabyte,
  openFiles: 16,
  diskBytes: 32 * megabyte,
}
const measures: readonly Measure[] = ['memoryBytes', 'openFiles', 'diskBytes']
/** What the controller keeps by design, for its retention's days: all output, and so much of each command besides. */
const keptPerCommandBytes = 4096
/** What is kept for the tenant is bounded by 256 MB; a soak has to see it come to its bound. */
const agent = { audit: { fileBytes: megabyte, files: 4 } }

const directory = await mkdtemp(join(tmpdir(), 'sahara-soak-'))
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stop.abort(new Error(`${signal} came`)))
}
let isGood = false
try {
  isGood = await soak()
} finally {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 })
}
process.exit(isGood ? 0 : 1)

/** A steady load for the whole time, and a look at each program now and then. */
async function soak(): Promise<boolean> {
  await using cluster = await startChaosCluster(directory, {
    instances: 1,
    smallDisks: false,
    agent,
  })
  await cluster.api.storeContent(
    (async function* () {
      yield feedBytes
    })(),
  )
  const problems: string[] = []
  const load = carrySteadyLoad(cluster, problems)
  const samples = await watch(cluster)
  const carried = await load
  process.stdout.write(`${carried.commands} commands, ${problems.length} problems\n`)
  for (const problem of problems.slice(0, 20)) process.stdout.write(`- ${problem}\n`)
  return report(samples, carried) && problems.length === 0
}

interface Carried {
  commands: number
  outputBytes: number
}

async function carrySteadyLoad(cluster: ChaosCluster, problems: string[]): Promise<Carried> {
  const perSecond = Number(values.rate)
  const commands = Math.floor((runMs / 1000) * perSecond)
  const options = { seed: Number(values.seed), commands, faults: 0, instances: 1, without: [] }
  const underWay = new Set<Promise<void>>()
  const beganMs = performance.now()
  const carried: Carried = { commands: 0, outputBytes: 0 }
  const onEnded = (ended: Ended): void => {
    carried.commands += 1
    carried.outputBytes += ended.record.outputBytes
    problems.push(...judge(ended))
  }
  for (const [index, command] of planChaos(options).commands.entries()) {
    const dueMs = beganMs + (index / perSecond) * 1000
    await sleep(Math.max(0, dueMs - performance.now()))
    if (stop.signal.aborted || performance.now() > beganMs + runMs) break
    const one = seeToEnd(cluster, command, { onEnded, signal: stop.signal })
      .catch((error: unknown) => void problems.push(String(error)))
      .finally(() => underWay.delete(one))
    underWay.add(one)
    if (underWay.size >= 200) await Promise.race(underWay)
  }
  await Promise.all(underWay)
  return carried
}

function judge({ command, record, stdout }: Ended): string[] {
  const problems = judgeEnding(command, {
    state: record.state,
    stateLater: record.state,
    exitCode: record.result?.exitCode,
    reason: record.result?.reason?.code,
    outputComplete: record.outputComplete,
    stdout,
    effects: 1,
    disturbances: new Set(),
  })
  return problems.map((problem) => `command ${command.serial} (${command.kind}) ${problem}`)
}

async function watch(cluster: ChaosCluster): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>()
  const beganMs = performance.now()
  // The runner is started by the first command.
  while (performance.now() < beganMs + runMs && !stop.signal.aborted) {
    await sleep(Number(values.every) * 1000)
    for (const [name, program] of await findPrograms(cluster)) {
      const list = samples.get(name) ?? []
      list.push(await takeSample(program, performance.now()))
      samples.set(name, list)
    }
  }
  return samples
}

async function findPrograms(cluster: ChaosCluster): Promise<[string, Watched][]> {
  const [guest] = cluster.guests
  if (!guest) throw new Error('there is no guest')
  const { stateDirectory } = guest.guest
  const [runner = -1] = await findRunners(stateDirectory)
  const database = join(directory, 'queue.db')
  return [
    ['agent', { pid: guest.agent.pid(), paths: [stateDirectory] }],
    ['runner', { pid: runner, paths: [] }],
    ['controller', { pid: cluster.controller.pid(), paths: [join(directory, 'controller')] }],
    ['queue', { pid: cluster.queue.pid, paths: [database, `${database}-wal`] }],
  ]
}

/** Prints the table; false when something grew beyond its bound. */
function report(samples: ReadonlyMap<string, readonly Sample[]>, carried: Carried): boolean {
  const titles = ['program', 'measure', 'start', 'end', 'per hour', 'bound', '']
  const rows = [titles]
  for (const [name, list] of samples) {
    for (const measure of measures) {
      // Half a run lies between what is compared.
      const kept = (carried.outputBytes * 1.2 + carried.commands * keptPerCommandBytes) / 2
      const isKept = name === 'controller' && measure === 'diskBytes'
      const bound = bounds[measure] + (isKept ? kept : 0)
      const { start, end, perHour, isWithin } = judgeGrowth(list, measure, bound)
      const show = (value: number): string =>
        measure === 'openFiles' ? value.toFixed(1) : `${(value / megabyte).toFixed(1)} MB`
      const verdict = isWithin ? 'ok' : 'GROWS'
      rows.push([name, measure, show(start), show(end), show(perHour), show(bound), verdict])
    }
  }
  for (const row of rows) {
    process.stdout.write(
      `${row.map((cell, at) => (at < 2 ? cell.padEnd(12) : cell.padStart(11))).join(' ')}\n`,
    )
  }
  return rows.every((row) => !row.includes('GROWS'))
}
