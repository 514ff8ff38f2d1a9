import { z } from 'zod'
import type { World } from '../../protocol/world.ts'
import type { Report } from './report.ts'

/** One subject of `npm run bench`. */
export interface Benchmark {
  name: string
  measure: (settings: BenchSettings) => Promise<Report>
}

/** What is said to a benchmark, in a process of its own. */
export const Assignment = z.strictObject({
  /** A directory of this benchmark's own, on a real disk; it is removed afterwards. */
  directory: z.string().min(1),
  /** What the measuring may take; setting up comes on top. */
  budgetMs: z.number().positive(),
  /** Numbers of agents that are all asked at once. */
  agents: z.array(z.int().min(1)).min(1),
  /** Numbers of agents that wait at one queue service. */
  waiting: z.array(z.int().min(1)).min(1),
  /** Sizes of the files that are moved. */
  mebibytes: z.array(z.int().min(1)).min(1),
})
export type Assignment = z.output<typeof Assignment>

export interface BenchSettings extends Readonly<Assignment> {
  world: World
  /** Hands over what has been measured so far, so that it is not lost when the rest hangs. */
  keep: (report: Report) => void
}
