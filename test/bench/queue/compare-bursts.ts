import type { World } from '../../../protocol/world.ts'
import { alternate } from '../alternate.ts'
import { addRows, type Report } from '../report.ts'
import type { BurstResult } from './run-burst.ts'

/** A service, or a state of it, that is put to the same use as others. */
export interface BurstSide {
  name: string
  run: () => Promise<BurstResult>
}

/** Lets the sides take turns, and reports uses per second and the processor time of the service for each use. */
export async function compareBursts(
  report: Report,
  title: string,
  sides: readonly BurstSide[],
  budgetMs: number,
  world: World,
): Promise<void> {
  const costs = new Map(sides.map(({ name }): [string, number[]] => [name, []]))
  const measured = sides.map(({ name, run }) => ({
    name,
    run: async () => {
      const { rate, costMs } = await run()
      costs.get(name)?.push(costMs)
      return rate
    },
  }))
  const { samples, failed } = await alternate(measured, { budgetMs }, world)
  addRows(report, title, '1/s', samples)
  // The first of each belongs to the round for warming up.
  const counted = [...costs].map(([name, all]): [string, number[]] => [name, all.slice(1)])
  addRows(report, `processor of the service for each ${title}`, 'ms', new Map(counted))
  report.skipped.push(...failed.map(({ side, reason }) => ({ side: `${side}: ${title}`, reason })))
}
