import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import type { CommandRecord } from '../../controller/api/resources.ts'
import { missingZaqarPackages } from '../zaqar/missing-packages.ts'
import { alternate, type Side, timed } from './alternate.ts'
import type { Benchmark, BenchSettings } from './benchmark.ts'
import { type Installation, startInstallation } from './installation.ts'
import type { MCollective } from './mcollective/start-mcollective.ts'
import { openMCollective } from './mcollective-sides.ts'
import { addRows, emptyReport, type Report } from './report.ts'
import { coldEvery, openSshd, sshSides } from './ssh-sides.ts'
import { startZaqarInstallations } from './zaqar-installations.ts'

/** One `true`, from the API call to the result in hand, beside other ways to have it run. */
export const roundTrip: Benchmark = { name: 'round-trip', measure }

const ours = 'sahara-agent'
const title = 'one `true`'

/**
 * What no design with these guarantees can do without. Round trips one after the other: the API's POST, the POST of the
 * command and of the reply, and three long polls that already wait, of which only the answer's half counts.
 * Flushes: the controller's record, the command in the queue, the agent's journal before and after, the reply in the
 * queue, and the controller's record of the end.
 */
const floor = { roundTrips: 5, flushes: 6 } as const

/** The first command of all starts the runner, so that it counts for neither. */
const youngRuns = 30
/** After so many V8 has compiled what each command needs, as in a service that has run for hours; it goes by count, not by time. */
const settlingRuns = 300
/** Each of them takes far longer. */
const settlingRunsOnZaqar = 100
const warmUps = 5

async function measure(settings: BenchSettings): Promise<Report> {
  const report = emptyReport('round-trip')
  await using opened = new AsyncDisposableStack()
  const installation = opened.use(await startInstallation(settings.directory, 1))
  const records: { record: CommandRecord; totalMs: number }[] = []
  const bare = opened.use(openFloor(installation.system.queue.url, settings.directory))
  const sides: Side[] = [
    { name: ours, run: async () => await runTrue(installation, records, settings) },
    ...mcollectiveSides(await openMCollective(report, settings.directory, 1, opened)),
    ...sshSides(await openSshd(report, 'ssh', opened), 1),
    { name: 'process start (/bin/true)', run: startTrue },
    {
      name: `floor (${floor.roundTrips} HTTP round trips, ${floor.flushes} flushes)`,
      run: bare.run,
    },
  ]
  const bounds = { budgetMs: settings.budgetMs * (2 / 3), warmUps }
  const young = await settle(installation, settlingRuns, settings)
  const { samples, failed } = await alternate(sides, bounds, settings.world)
  addRows(report, title, 'ms', samples)
  report.skipped.push(...failed)
  addSteps(report, records.slice(warmUps))
  const ofTheYoung = `${title}, the first ${youngRuns} of services that have just started`
  addRows(report, ofTheYoung, 'ms', new Map([[ours, young]]))
  report.notes.push(...aboveTheFloor(report))
  settings.keep(report)
  await measureOnZaqar(report, installation, settings)
  return report
}

/** Apart from the others: Zaqar's agents have work also when it is not their turn. */
async function measureOnZaqar(
  report: Report,
  embedded: Installation,
  settings: BenchSettings,
): Promise<void> {
  const what = `${title}, on the real Zaqar`
  const missing = missingZaqarPackages()
  if (missing.length > 0) {
    report.skipped.push({ side: what, reason: `apt-get install ${missing.join(' ')}` })
    return
  }
  await using opened = new AsyncDisposableStack()
  const { polling, gateway } = await startZaqarInstallations(settings.directory, opened)
  const side = (name: string, installation: Installation): Side => ({
    name,
    run: async () => await runTrue(installation, [], settings),
  })
  const sides = [
    side(`${ours}, embedded queue`, embedded),
    side(`${ours}, Zaqar by way of the gateway`, gateway),
    side(`${ours}, Zaqar, polled`, polling),
  ]
  for (const each of [polling, gateway]) await settle(each, settlingRunsOnZaqar, settings)
  const bounds = { budgetMs: settings.budgetMs / 3, warmUps }
  const { samples, failed } = await alternate(sides, bounds, settings.world)
  addRows(report, what, 'ms', samples)
  report.skipped.push(...failed)
  report.notes.push(
    "Zaqar runs under uwsgi with two workers and with Keystone; each agent idles for the others' turns",
  )
}

function mcollectiveSides(mcollective: MCollective | undefined): Side[] {
  if (mcollective === undefined) return []
  return [
    timed('MCollective, a client that stays connected', async () => await mcollective.warm(1)),
    timed('MCollective, `mco rpc` anew', mcollective.cold, coldEvery),
  ]
}

/** @returns how long the first commands took. */
async function settle(
  installation: Installation,
  runs: number,
  settings: BenchSettings,
): Promise<number[]> {
  const times: number[] = []
  for (let count = 0; count <= runs; count += 1) {
    times.push(await runTrue(installation, [], settings))
  }
  return times.slice(1, 1 + youngRuns)
}

async function runTrue(
  { run }: Installation,
  records: { record: CommandRecord; totalMs: number }[],
  { world }: BenchSettings,
): Promise<number> {
  const begunMs = world.monotonicMs()
  const record = await run({ name: 'exec', argv: ['/bin/true'] })
  const totalMs = world.monotonicMs() - begunMs
  records.push({ record, totalMs })
  return totalMs
}

async function startTrue(): Promise<undefined> {
  await once(spawn('/bin/true', { stdio: 'ignore' }), 'exit')
}

function openFloor(queueUrl: string, directory: string) {
  const dispatcher = new Agent()
  const file = openSync(join(directory, 'flushed'), 'w')
  const page = Buffer.alloc(4096, 1)
  return {
    run: async () => {
      for (let count = 0; count < floor.roundTrips; count += 1) {
        const { body } = await request(`${queueUrl}/v2/ping`, { dispatcher })
        await body.dump()
      }
      for (let count = 0; count < floor.flushes; count += 1) {
        // Always the same page: SQLite's log is written over as well, once it has its size.
        writeSync(file, page, 0, page.length, 0)
        fdatasyncSync(file)
      }
      return undefined
    },
    [Symbol.asyncDispose]: async () => {
      closeSync(file)
      await dispatcher.destroy()
    },
  }
}

/** Where the time goes, by the times in the command's record, which have whole milliseconds. */
function addSteps(
  report: Report,
  records: readonly { record: CommandRecord; totalMs: number }[],
): void {
  const steps: [
    string,
    (from: CommandRecord) => [Date | null | undefined, Date | null | undefined],
  ][] = [
    ['stored to posted', (from) => [from.createdAt, from.postedAt]],
    ['posted to begun', (from) => [from.postedAt, from.result?.startedAt]],
    ['begun to ended', (from) => [from.result?.startedAt, from.result?.endedAt]],
    ['ended to known', (from) => [from.result?.endedAt, from.endedAt]],
    ['stored to known', (from) => [from.createdAt, from.endedAt]],
  ]
  for (const [name, ends] of steps) {
    const samples = records.flatMap(({ record }) => {
      const [begin, end] = ends(record)
      return begin && end ? [end.getTime() - begin.getTime()] : []
    })
    addRows(report, `of it: ${name}`, 'ms', new Map([[ours, samples]]))
  }
  const beside = records.flatMap(({ record, totalMs }) =>
    record.endedAt === null
      ? []
      : [totalMs - (record.endedAt.getTime() - record.createdAt.getTime())],
  )
  addRows(report, 'of it: the API, there and back', 'ms', new Map([[ours, beside]]))
}

function aboveTheFloor({ rows }: Report): string[] {
  const median = (begin: string) => rows.find(({ side }) => side.startsWith(begin))?.median
  const [own, start, bare] = [median(ours), median('process start'), median('floor')]
  if (own === undefined || start === undefined || bare === undefined) return []
  return [`above process start it takes ${((own - start) / bare).toFixed(1)} times the floor`]
}
