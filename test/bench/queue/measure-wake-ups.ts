import { randomUUID } from 'node:crypto'
import type { World } from '../../../protocol/world.ts'
import { alternate, type Side } from '../alternate.ts'
import { addRows, type Report } from '../report.ts'
import { createQueueClient, type QueueClient } from './queue-client.ts'
import type { Service } from './queue-services.ts'

/** Clients that wait at the same time, each for a queue of its own. */
const waiterCounts = [1, 1000] as const
const wakeUpsPerRound = 20
const bodyBytes = 1024
const waitSeconds = 60
/** Until all requests lie at the service before one is posted for. */
const settleMs = 50

/** From sending a message to having it in the hands of who waited for it. Stock Zaqar holds no request: there one client asks without a pause. */
export async function measureWakeUps(
  report: Report,
  services: readonly Service[],
  embedded: Service,
  budgetMs: number,
  world: World,
): Promise<void> {
  for (const count of waiterCounts) {
    await using opened = new AsyncDisposableStack()
    const sides: Side[] = []
    for (const service of count === 1 ? services : [embedded]) {
      const client = opened.use(createQueueClient(service, bodyBytes, count + 8))
      const waiters = Array.from({ length: count }, () => createWaiter(client))
      for (const waiter of waiters) waiter.wait()
      sides.push({
        name: service.name,
        run: async () => await meanWakeUpMs(waiters, client, world),
      })
    }
    const bounds = { budgetMs: budgetMs / waiterCounts.length, warmUps: 2 }
    const { samples, failed } = await alternate(sides, bounds, world)
    const title = `wake-up, 1 KiB, ${count} waiting (mean of ${wakeUpsPerRound})`
    addRows(report, title, 'ms', samples)
    report.skipped.push(
      ...failed.map(({ side, reason }) => ({ side: `${side}: ${title}`, reason })),
    )
  }
}

async function meanWakeUpMs(
  waiters: readonly Waiter[],
  client: QueueClient,
  world: World,
): Promise<number> {
  let sumMs = 0
  for (let done = 0; done < wakeUpsPerRound; done += 1) {
    const waiter = waiters[Math.floor(world.random() * waiters.length)]
    if (waiter === undefined) throw new Error('nobody waits')
    await world.sleep(settleMs)
    const begunMs = world.monotonicMs()
    const [ids] = await Promise.all([waiter.found(), client.post(waiter.queue)])
    sumMs += world.monotonicMs() - begunMs
    await client.delete(waiter.queue, ids)
    waiter.wait()
  }
  return sumMs / wakeUpsPerRound
}

type Waiter = ReturnType<typeof createWaiter>

function createWaiter(client: QueueClient) {
  const queue = randomUUID()
  let waiting: Promise<string[]> = Promise.resolve([])
  const ask = async (): Promise<string[]> => {
    // Until something comes, or the client is closed.
    while (true) {
      const ids = await client.claim(queue, 1, waitSeconds)
      if (ids.length > 0) return ids
    }
  }
  return {
    queue,
    wait: () => {
      waiting = ask()
      // Who is cut off at the end has no witness.
      waiting.catch(() => undefined)
    },
    found: async () => await waiting,
  }
}
