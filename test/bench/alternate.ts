import type { World } from '../../protocol/world.ts'
import type { Skipped } from './report.ts'

/** One of the things that are compared. */
export interface Side {
  name: string
  /** Does it once. @returns the sample, where that is not the time it took in milliseconds. */
  run: () => Promise<number | undefined>
  /** Only in every so manieth round, for what takes far longer than the others. Default 1. */
  everyRounds?: number
}

/** A side whose sample is the time that `way` takes. */
export function timed(name: string, way: () => Promise<unknown>, everyRounds = 1): Side {
  return {
    name,
    everyRounds,
    run: async () => {
      await way()
      return undefined
    },
  }
}

export interface Bounds {
  /** No round begins after this time. */
  budgetMs: number
  /** No more rounds than this. Default 1000. */
  maxRounds?: number
  /** Rounds before, which do not count. Default 1. */
  warmUps?: number
}

/**
 * Measures the sides in turn, each once per round and another one first in each round, so that whatever else the
 * machine does meets all of them alike. Some rounds before go uncounted; a side that fails is left out from there on.
 *
 * @returns the samples of each side, in the order given; at least one for each that works.
 */
export async function alternate(
  sides: readonly Side[],
  { budgetMs, maxRounds = 1000, warmUps = 1 }: Bounds,
  world: World,
): Promise<{ samples: Map<string, number[]>; failed: Skipped[] }> {
  const samples = new Map(sides.map(({ name }): [string, number[]] => [name, []]))
  const failed: Skipped[] = []
  let working = [...sides]
  const runRound = async (order: readonly Side[], take: (side: Side, sample: number) => void) => {
    for (const side of order) {
      try {
        const begunMs = world.monotonicMs()
        const sample = await side.run()
        take(side, sample ?? world.monotonicMs() - begunMs)
      } catch (error) {
        working = working.filter((other) => other !== side)
        failed.push({ side: side.name, reason: firstLine(error) })
      }
    }
  }
  const dueIn = (round: number) =>
    working.filter(({ everyRounds = 1 }) => round % everyRounds === 0)
  for (let round = 0; round < warmUps; round += 1) await runRound(dueIn(round), () => undefined)
  const endMs = world.monotonicMs() + budgetMs
  for (let round = 0; round < maxRounds && working.length > 0; round += 1) {
    if (round > 0 && world.monotonicMs() >= endMs) break
    const due = dueIn(round)
    const first = round % Math.max(1, due.length)
    const order = [...due.slice(first), ...due.slice(0, first)]
    await runRound(order, ({ name }, sample) => samples.get(name)?.push(sample))
  }
  return { samples, failed }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n')[0]?.slice(0, 300) ?? ''
}
