import { randomUUID } from 'node:crypto'
import type { World } from '../../../protocol/world.ts'
import type { Report } from '../report.ts'
import { type BurstSide, compareBursts } from './compare-bursts.ts'
import { type Exercise, exercises, fill, stockFor } from './exercises.ts'
import { createQueueClient } from './queue-client.ts'
import type { Service } from './queue-services.ts'
import { runBurst } from './run-burst.ts'
import { warmUp } from './warm-up.ts'

const connectionCounts = [1, 8, 64] as const
const burstMs = 400
/** For whoever fills queues slowly. */
const fillMs = 5000

interface Case {
  exercise: Exercise
  bodyBytes: number
  connections: number
}

/** Uses per second of each service, by kind of use, size of the messages and connections. */
export async function measureRates(
  report: Report,
  services: readonly Service[],
  budgetMs: number,
  world: World,
): Promise<void> {
  const cases = exercises.flatMap((exercise) =>
    exercise.kibibytes.flatMap((size) =>
      connectionCounts.map((connections) => ({ exercise, bodyBytes: size * 1024, connections })),
    ),
  )
  for (const service of services) await warmUp(service, world)
  for (const one of cases) {
    const { exercise, bodyBytes, connections } = one
    await using clients = new AsyncDisposableStack()
    const sides = services.map((service) => burstsOf(one, service, clients, world))
    const title = `${exercise.name}, ${bodyBytes / 1024} KiB, ${connections} at once`
    await compareBursts(report, title, sides, budgetMs / cases.length, world)
  }
}

/** Each burst has a queue of its own, which is filled before its time begins. */
function burstsOf(
  { exercise, bodyBytes, connections }: Case,
  service: Service,
  opened: AsyncDisposableStack,
  world: World,
): BurstSide {
  const client = opened.use(createQueueClient(service, bodyBytes, connections))
  const burst = { durationMs: burstMs, connections }
  let rate = 0
  const run = async () => {
    const queue = randomUUID()
    const endMs = world.monotonicMs() + fillMs
    const stock = { count: stockFor(exercise, burst, rate), bodyBytes, endMs }
    await fill(client, queue, stock, world)
    const result = await runBurst(() => exercise.use(client, queue), burst, service, world)
    rate = result.rate
    await client.drop(queue)
    return result
  }
  return { name: service.name, run }
}
