import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Benchmark, BenchSettings } from './benchmark.ts'
import { measureGrowth } from './queue/measure-growth.ts'
import { measureRates } from './queue/measure-rates.ts'
import { measureWakeUps } from './queue/measure-wake-ups.ts'
import { startEmbedded, startRealZaqar } from './queue/queue-services.ts'
import { emptyReport, type Report } from './report.ts'

/** The embedded queue, flushed to disk, beside the real Zaqar on Redis: the same client, the same messages; and how it grows. */
export const queue: Benchmark = { name: 'queue', measure }

async function measure({ directory, budgetMs, world }: BenchSettings): Promise<Report> {
  const report = emptyReport('queue')
  {
    await using opened = new AsyncDisposableStack()
    const own = join(directory, 'embedded')
    await mkdir(own)
    const embedded = opened.use(await startEmbedded(own))
    const zaqar = await startRealZaqar(report, opened)
    const services = zaqar === undefined ? [embedded] : [embedded, zaqar]
    await measureRates(report, services, budgetMs * 0.6, world)
    await measureWakeUps(report, services, embedded, budgetMs * 0.2, world)
  }
  await measureGrowth(report, directory, budgetMs * 0.2, world)
  report.notes.push(
    'Zaqar runs under uwsgi with two workers, without Keystone; uwsgi closes each connection after its answer',
    'the embedded queue flushes before it answers; Redis does not',
    'stock Zaqar holds no request open: its wake-up is that of a client that asks without a pause',
    'a use of `claim + delete` is two requests; that of 20 takes twenty messages with the same two',
  )
  return report
}
