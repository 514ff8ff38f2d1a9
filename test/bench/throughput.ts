import { alternate, type Side } from './alternate.ts'
import type { Benchmark, BenchSettings } from './benchmark.ts'
import { runOnAll, startInstallation } from './installation.ts'
import { addRows, emptyReport, type Report } from './report.ts'
import { openSshd, sshSides, together } from './ssh-sides.ts'

/** Many commands at once: to one instance, and one to each of many. */
export const throughput: Benchmark = { name: 'throughput', measure }

/** Commands that are posted together to one agent; it runs 16 at once, and the rest wait in its lanes. */
const commandsAtOnce = 50

async function measure(settings: BenchSettings): Promise<Report> {
  const report = emptyReport('throughput')
  const { agents, world } = settings
  await using opened = new AsyncDisposableStack()
  const installation = opened.use(await startInstallation(settings.directory, agents))
  const operation = { name: 'exec' as const, argv: ['/bin/true'] }
  const sshd = await openSshd(report, 'ssh', opened)
  const bounds = { budgetMs: settings.budgetMs / 2 }

  const toOne: Side[] = [
    {
      name: 'sahara-agent',
      run: async () =>
        await together(commandsAtOnce, async () => await installation.run(operation)),
    },
    // Not cold as well: fifty key exchanges take seconds, and each instance has one below.
    ...sshSides(sshd, commandsAtOnce).slice(0, 1),
  ]
  const one = await alternate(toOne, bounds, world)
  const rates = (times: readonly number[]) => times.map((ms) => commandsAtOnce / (ms / 1000))
  const ratesOfSides = new Map([...one.samples].map(([side, times]) => [side, rates(times)]))
  addRows(report, `\`true\` on one instance, ${commandsAtOnce} at once`, '1/s', ratesOfSides)

  const toAll: Side[] = [
    {
      name: 'sahara-agent',
      run: async () => {
        await runOnAll(installation, operation)
        return undefined
      },
    },
    ...sshSides(sshd, agents),
  ]
  const all = await alternate(toAll, bounds, world)
  addRows(report, `\`true\` on ${agents} instances at once`, 'ms', all.samples)
  report.skipped.push(
    ...one.failed,
    ...all.failed,
    { side: 'MCollective', reason: 'not written yet' },
    { side: 'pssh', reason: 'not written yet' },
  )
  report.notes.push('ssh has one sshd for all of its instances')
  return report
}
