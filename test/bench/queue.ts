import { randomBytes, randomUUID } from 'node:crypto'
import { Agent } from 'undici'
import type { World } from '../../protocol/world.ts'
import { createZaqarClient, type ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import { openOwnQueue } from '../system/system-queue.ts'
import { missingZaqarPackages } from '../zaqar/missing-packages.ts'
import { startZaqar } from '../zaqar/start-zaqar.ts'
import { alternate } from './alternate.ts'
import type { Benchmark, BenchSettings } from './benchmark.ts'
import { addRows, emptyReport, type Report } from './report.ts'

/** The embedded queue, flushed to disk, beside the real Zaqar on Redis: the same client, the same messages. */
export const queue: Benchmark = { name: 'queue', measure }

interface Service {
  name: string
  client: ZaqarClient
}

interface Load {
  body: unknown
  /** Uses at the same time. */
  connections: number
  /** Uses one after the other on each of them. */
  each: number
}

/** Each gives the time that every single use took, in milliseconds. */
const exercises = [
  ['post', post],
  ['claim + delete', claimAndDelete],
  ['wake-up', wakeUp],
] as const
const kibibytes = [1, 64] as const
const connectionCounts = [1, 16] as const
const usesPerRound = 64
const ttlSeconds = 3600

async function measure(settings: BenchSettings): Promise<Report> {
  const report = emptyReport('queue')
  const { world } = settings
  await using opened = new AsyncDisposableStack()
  const services = await openServices(settings, report, opened)
  const cases = exercises.flatMap(([what, exercise]) =>
    kibibytes.flatMap((size) =>
      connectionCounts.map((connections) => ({ what, exercise, size, connections })),
    ),
  )
  const budgetMs = settings.budgetMs / cases.length
  for (const { what, exercise, size, connections } of cases) {
    const title = `${what}, ${size} KiB, ${connections} at once`
    const load = {
      body: randomBytes((size * 1024 * 3) / 4).toString('base64'),
      connections,
      each: Math.max(2, Math.floor(usesPerRound / connections / size ** 0.5)),
    }
    const times = new Map(services.map(({ name }): [string, number[]] => [name, []]))
    const warm = new Set<string>()
    const sides = services.map(({ name, client }) => ({
      name,
      run: async () => {
        const begunMs = world.monotonicMs()
        const taken = await exercise(client, load, world)
        // The first round is for warming up.
        if (warm.has(name)) times.get(name)?.push(...taken)
        warm.add(name)
        return world.monotonicMs() - begunMs
      },
    }))
    const { failed } = await alternate(sides, { budgetMs }, world)
    addRows(report, title, 'ms', times)
    if (exercise !== wakeUp) addRows(report, title, '1/s', ratesOf(times, connections))
    report.skipped.push(
      ...failed.map(({ side, reason }) => ({ side: `${side}: ${title}`, reason })),
    )
  }
  report.notes.push(
    'Zaqar runs under uwsgi with two workers, without Keystone; uwsgi closes each connection after its answer',
    'stock Zaqar holds no request open: its wake-up is that of clients that ask without a pause',
  )
  return report
}

/** What so many connections do in a second, each as fast as in each sample. */
function ratesOf(
  timesOfSides: ReadonlyMap<string, readonly number[]>,
  connections: number,
): Map<string, number[]> {
  return new Map(
    [...timesOfSides]
      .filter(([, times]) => times.length > 0)
      .map(([side, times]) => [side, [(connections * 1000) / mean(times)]]),
  )
}

function mean(times: readonly number[]): number {
  return times.reduce((sum, ms) => sum + ms, 0) / times.length
}

async function openServices(
  { directory, world }: BenchSettings,
  report: Report,
  opened: AsyncDisposableStack,
): Promise<Service[]> {
  const own = opened.use(await openOwnQueue(directory))
  const options = { endpoint: own.url, clientId: randomUUID(), ...own.keeper }
  const services = [
    { name: 'embedded queue', client: opened.use(createZaqarClient(options, world)) },
  ]
  const missing = missingZaqarPackages()
  if (missing.length > 0) {
    report.skipped.push({ side: 'Zaqar on Redis', reason: `apt-get install ${missing.join(' ')}` })
    return services
  }
  const zaqar = opened.use(await startZaqar({ keystone: false, websocket: false, workers: 2 }))
  // uwsgi closes after each answer without saying so.
  const dispatcher = new Agent({ pipelining: 0 })
  opened.defer(async () => await dispatcher.destroy())
  const client = createZaqarClient(
    {
      endpoint: zaqar.endpoint,
      clientId: randomUUID(),
      projectId: 'p1',
      auth: { kind: 'none' },
      dispatcher,
    },
    world,
  )
  services.push({ name: 'Zaqar on Redis', client: opened.use(client) })
  return services
}

async function post(client: ZaqarClient, load: Load, world: World): Promise<number[]> {
  const name = randomUUID()
  const times = await useAtOnce(load, async () => {
    const begunMs = world.monotonicMs()
    await client.postMessages(name, [{ body: load.body, ttlSeconds }])
    return world.monotonicMs() - begunMs
  })
  await client.deleteQueue(name)
  return times
}

/** One message each time, as when there is no more to do; an agent with much to do takes twenty. */
async function claimAndDelete(client: ZaqarClient, load: Load, world: World): Promise<number[]> {
  const name = randomUUID()
  for (let count = 0; count < load.connections * load.each; count += 1) {
    await client.postMessages(name, [{ body: load.body, ttlSeconds }])
  }
  const times = await useAtOnce(load, async () => {
    const begunMs = world.monotonicMs()
    await client.deleteMessages(name, await claimOne(client, name, 0, world))
    return world.monotonicMs() - begunMs
  })
  await client.deleteQueue(name)
  return times
}

/** From the post to the message in the hands of a client that waited for it; each client has a queue of its own. */
async function wakeUp(client: ZaqarClient, load: Load, world: World): Promise<number[]> {
  const free = Array.from({ length: load.connections }, () => randomUUID())
  const times = await useAtOnce(load, async () => {
    const name = free.pop() ?? randomUUID()
    const claimed = claimOne(client, name, patienceSeconds, world).then((ids) => ({
      ids,
      atMs: world.monotonicMs(),
    }))
    const posted = world.sleep(settleMs).then(async () => {
      const begunMs = world.monotonicMs()
      await client.postMessages(name, [{ body: load.body, ttlSeconds }])
      return begunMs
    })
    const [begunMs, { ids, atMs }] = await Promise.all([posted, claimed])
    await client.deleteMessages(name, ids)
    free.push(name)
    return atMs - begunMs
  })
  await Promise.all(free.map(async (name) => await client.deleteQueue(name)))
  return times
}

/** Long enough for a claim to be waiting at the service when the message is posted. */
const settleMs = 20
const patienceSeconds = 20

/** @returns the samples of all uses. */
async function useAtOnce(
  { connections, each }: Load,
  use: () => Promise<number>,
): Promise<number[]> {
  const useInTurn = async () => {
    const samples: number[] = []
    for (let count = 0; count < each; count += 1) samples.push(await use())
    return samples
  }
  return (await Promise.all(Array.from({ length: connections }, useInTurn))).flat()
}

/** Asks again at once where the service holds no request open. */
async function claimOne(
  client: ZaqarClient,
  name: string,
  waitSeconds: number,
  world: World,
): Promise<string[]> {
  const endMs = world.monotonicMs() + patienceSeconds * 1000
  while (true) {
    const { messages } = await client.claimMessages(name, { limit: 1, ttlSeconds: 60, waitSeconds })
    if (messages.length > 0) return messages.map(({ id }) => id)
    if (world.monotonicMs() > endMs) throw new Error(`no message came in ${patienceSeconds} s`)
  }
}
