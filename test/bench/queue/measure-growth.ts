import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { World } from '../../../protocol/world.ts'
import type { Report } from '../report.ts'
import { type BurstSide, compareBursts } from './compare-bursts.ts'
import { type Exercise, exercises, fill, stockFor } from './exercises.ts'
import { createQueueClient, type QueueClient } from './queue-client.ts'
import { type EmbeddedService, startEmbedded } from './queue-services.ts'
import { runBurst } from './run-burst.ts'
import { warmUp } from './warm-up.ts'

/** What the queue holds before each of the sides is measured. */
const depths = [0, 100_000, 1_000_000] as const
const bodyBytes = 1024
const burst = { durationMs: 500, connections: 16 }
/** For all of them together; what is there by then is measured, and named. */
const fillMs = 120_000

interface Deep {
  service: EmbeddedService
  client: QueueClient
  /** Undefined on the side where each burst has a fresh queue. */
  queue: string | undefined
  held: number
}

/** The same uses on services that hold nothing, much, and a million messages; each has a database of its own. */
export async function measureGrowth(
  report: Report,
  directory: string,
  budgetMs: number,
  world: World,
): Promise<void> {
  await using opened = new AsyncDisposableStack()
  const endMs = world.monotonicMs() + fillMs
  const deeps: Deep[] = []
  for (const depth of depths) deeps.push(await openDeep(directory, depth, endMs, opened, world))
  for (const exercise of exercises) {
    const sides = deeps.map((deep) => burstsOf(exercise, deep, world))
    const title = `${exercise.name}, 1 KiB, ${burst.connections} at once, by messages in the queue`
    await compareBursts(report, title, sides, budgetMs / exercises.length, world)
  }
}

async function openDeep(
  parent: string,
  depth: number,
  endMs: number,
  opened: AsyncDisposableStack,
  world: World,
): Promise<Deep> {
  const directory = join(parent, `deep-${depth}`)
  await mkdir(directory)
  const service = opened.use(await startEmbedded(directory))
  await warmUp(service, world)
  const client = opened.use(createQueueClient(service, bodyBytes, burst.connections))
  if (depth === 0) return { service, client, queue: undefined, held: 0 }
  const queue = randomUUID()
  const held = await fill(client, queue, { count: depth, bodyBytes, endMs }, world)
  // Claimed and left lying: a claim must find its way past them.
  for (let claimed = 0; claimed < held / 100; claimed += 20) await client.claim(queue, 20)
  return { service, client, queue, held }
}

function burstsOf(
  exercise: Exercise,
  { service, client, queue, held }: Deep,
  world: World,
): BurstSide {
  let rate = 0
  const run = async () => {
    const used = queue ?? randomUUID()
    if (queue === undefined) {
      const count = stockFor(exercise, burst, rate)
      const endMs = world.monotonicMs() + fillMs
      await fill(client, used, { count, bodyBytes, endMs }, world)
    }
    const result = await runBurst(() => exercise.use(client, used), burst, service, world)
    rate = result.rate
    if (queue === undefined) await client.drop(used)
    return result
  }
  return { name: held.toLocaleString('en'), run }
}
