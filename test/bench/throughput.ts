import { alternate, type Side, timed } from './alternate.ts'
import type { Benchmark, BenchSettings } from './benchmark.ts'
import { type Installation, runOnAll, startInstallation } from './installation.ts'
import type { MCollective } from './mcollective/start-mcollective.ts'
import { openMCollective } from './mcollective-sides.ts'
import { psshSide } from './pssh-side.ts'
import { addRows, emptyReport, type Report } from './report.ts'
import { openSshd, sshSides, together } from './ssh-sides.ts'
import type { TestSshd } from './start-sshd.ts'

/** Many commands at once: to one instance, and one to each of many. */
export const throughput: Benchmark = { name: 'throughput', measure }

/** Commands that are posted together to one agent; it runs 16 at once, and the rest wait in its lanes. */
const commandsAtOnce = 50
const ours = 'sahara-agent'
const operation = { name: 'exec' as const, argv: ['/bin/true'] }
/** Of ours, before. */
const settlingRuns = 10

/** What is compared; each agent and each daemon is a process of its own. */
interface Contestants {
  installation: Installation
  mcollective: MCollective | undefined
  sshd: TestSshd | undefined
}

async function measure(settings: BenchSettings): Promise<Report> {
  const report = emptyReport('throughput')
  const counts = settings.agents.toSorted((one, other) => one - other)
  await using opened = new AsyncDisposableStack()
  const { directory } = settings
  const mcollective = await openMCollective(report, directory, counts.at(-1) ?? 1, opened)
  const sshd = await openSshd(report, 'ssh', opened)
  const installation = opened.use(await startInstallation(directory, 1))
  const contestants = { installation, mcollective, sshd }
  const budgetMs = settings.budgetMs / (1 + counts.length)
  await measureOne(report, contestants, { ...settings, budgetMs })
  settings.keep(report)
  for (const count of counts) {
    await installation.addAgents(count - installation.guests.length)
    await measureMany(report, contestants, count, { ...settings, budgetMs })
    settings.keep(report)
  }
  report.notes.push(
    `each of our agents has run ${settlingRuns} commands before: what V8 has not compiled yet takes several times as long`,
    'ssh and pssh have one sshd for all of their instances; the warm ssh has one connection for all of them',
    "MCollective's client asks one instance for one thing at a time; so its rate on one instance is that of calls in turn",
  )
  return report
}

async function measureOne(
  report: Report,
  { installation, mcollective, sshd }: Contestants,
  { budgetMs, world }: BenchSettings,
): Promise<void> {
  const ask = async () => await installation.run(operation)
  const sides: Side[] = [{ name: ours, run: async () => await together(commandsAtOnce, ask) }]
  if (mcollective !== undefined) {
    const run = async () => {
      for (let count = 0; count < commandsAtOnce; count += 1) await mcollective.warm(1)
    }
    sides.push(timed('MCollective, in turn', run))
  }
  // Not cold as well: fifty key exchanges take seconds.
  sides.push(...sshSides(sshd, commandsAtOnce).slice(0, 1))
  const { samples, failed } = await alternate(sides, { budgetMs }, world)
  const rates = (times: readonly number[]) => times.map((ms) => commandsAtOnce / (ms / 1000))
  const ratesOfSides = new Map([...samples].map(([side, times]) => [side, rates(times)]))
  addRows(report, `\`true\` on one instance, ${commandsAtOnce} at once`, '1/s', ratesOfSides)
  report.skipped.push(...failed)
}

async function measureMany(
  report: Report,
  { installation, mcollective, sshd }: Contestants,
  count: number,
  { budgetMs, world }: BenchSettings,
): Promise<void> {
  const sides: Side[] = [timed(ours, async () => await runOnAll(installation, operation))]
  if (mcollective !== undefined) {
    sides.push(timed('MCollective', async () => await mcollective.warm(count)))
  }
  sides.push(...sshSides(sshd, count).slice(0, 1), ...psshSide(report, sshd, count))
  for (let run = 0; run < settlingRuns; run += 1) await runOnAll(installation, operation)
  const { samples, failed } = await alternate(sides, { budgetMs }, world)
  addRows(report, `\`true\` on ${count} instances at once`, 'ms', samples)
  report.skipped.push(...failed)
}
