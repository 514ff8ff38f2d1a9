import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Agent } from 'undici'
import type { World } from '../../protocol/world.ts'
import { createZaqarClient, type ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import { openOwnQueue } from '../system/system-queue.ts'
import type { Benchmark, BenchSettings } from './benchmark.ts'
import { type IdleCost, measureIdle } from './idle-cost.ts'
import { findProcess } from './installation.ts'
import { addRows, emptyReport, type Report } from './report.ts'
import { type Fleet, startFleet } from './waiting-fleet.ts'

/** Ever more agents that wait at one embedded queue service: what they cost it, and how soon one of them has a message. */
export const agents: Benchmark = { name: 'agents', measure }

const side = 'embedded queue'
/** About as large as a sealed command. */
const body = randomBytes(768).toString('base64')
const deliveries = 60
/** A full collection takes less, so that no garbage is counted as what an agent needs. */
const collectionMs = 2000

async function measure(settings: BenchSettings): Promise<Report> {
  const report = emptyReport('agents')
  const { directory, world } = settings
  const counts = settings.waiting.toSorted((one, other) => one - other)
  await using opened = new AsyncDisposableStack()
  const collector = fileURLToPath(new URL('collect-garbage.ts', import.meta.url))
  const environment = { NODE_OPTIONS: `--import=${collector}` }
  const queue = opened.use(await openOwnQueue(directory, environment))
  const pid = await findProcess('--database', join(directory, 'queue.db'))
  // Like the agents, it has a connection that is open already.
  const dispatcher = new Agent({ keepAliveTimeout: 600_000, headersTimeout: 0, bodyTimeout: 0 })
  opened.defer(async () => await dispatcher.destroy())
  const connect = (): ZaqarClient =>
    createZaqarClient(
      { endpoint: queue.url, clientId: randomUUID(), ...queue.keeper, dispatcher },
      world,
    )
  const fleet = opened.use(startFleet(connect, world))
  const idleMs = settings.budgetMs / counts.length / 2
  const measureCost = async () => {
    process.kill(pid, 'SIGUSR2')
    await world.sleep(collectionMs)
    return await measureIdle(pid, idleMs, () => 0, world)
  }
  await fleet.growTo(1)
  await deliver(fleet, connect(), deliveries, world)
  const alone = await measureCost()
  for (const count of counts) {
    await fleet.growTo(count)
    await deliver(fleet, connect(), 10, world)
    addCosts(report, count, alone, await measureCost())
    {
      await using _beating = fleet.beat()
      const { idleCpuMs } = await measureIdle(pid, idleMs, () => 0, world)
      addProcessor(report, `${count} waiting: processor, with heartbeats`, idleCpuMs)
    }
    const times = await deliver(fleet, connect(), deliveries, world)
    for (const [what, samples] of Object.entries(times)) {
      addRows(report, `${count} waiting: ${what}`, 'ms', new Map([[side, samples]]))
    }
    settings.keep(report)
  }
  report.notes.push(
    "the agents are many in one process: each has the agents' own client, a signed URL, a queue and a connection of its own, and asks again as an agent does that has been idle for half an hour, after 270 to 300 s; all their first waits differ",
    'with heartbeats: one a minute from each, over few connections, claimed by twenty and deleted as by a controller; they are no part of the row without',
    'memory is what the service holds (RSS) after a collection of garbage, without what it held with one agent; the kernel has its buffers besides',
  )
  return report
}

function addProcessor(report: Report, what: string, msPerTenMinutes: number): void {
  addRows(report, what, '%', new Map([[side, [msPerTenMinutes / (600_000 / 100)]]]))
}

function addCosts(report: Report, count: number, alone: IdleCost, cost: IdleCost): void {
  const add = (what: string, unit: 'KiB' | 'MiB', value: number) => {
    addRows(report, `${count} waiting: ${what}`, unit, new Map([[side, [value]]]))
  }
  addProcessor(report, `${count} waiting: processor`, cost.idleCpuMs)
  add('memory of the service', 'MiB', cost.rssBytes / 1024 ** 2)
  // Of fewer the memory is lost in what a heap gains and loses by itself.
  if (count < 1000) return
  const bytesEach = (cost.rssBytes - alone.rssBytes) / (count - 1)
  add('memory for each', 'KiB', bytesEach / 1024)
}

/** What is measured of each message, in milliseconds. */
type Deliveries = Record<'post to message in hand' | 'post answered to message in hand', number[]>

/** One message after the other, each to an agent that is drawn. The answer comes after the flush, as the message does. */
async function deliver(
  fleet: Fleet,
  keeper: ZaqarClient,
  count: number,
  world: World,
): Promise<Deliveries> {
  const times: Deliveries = {
    'post to message in hand': [],
    'post answered to message in hand': [],
  }
  for (let number = 0; number < count; number += 1) {
    const agent = fleet.agents[randomInt(fleet.agents.length)]
    if (agent === undefined) throw new Error('there is no agent')
    const arrival = agent.nextArrival()
    const begunMs = world.monotonicMs()
    await keeper.postMessages(agent.queue, [{ body, ttlSeconds: 3600 }])
    const answeredMs = world.monotonicMs()
    const { atMs, ids } = await arrival
    times['post to message in hand'].push(atMs - begunMs)
    times['post answered to message in hand'].push(atMs - answeredMs)
    await keeper.deleteMessages(agent.queue, ids)
    await world.sleep(settleMs)
  }
  return times
}

/** So that the agent waits again. */
const settleMs = 20
