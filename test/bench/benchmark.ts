import type { World } from '../../protocol/world.ts'
import type { Report } from './report.ts'

/** One subject of `npm run bench`. */
export interface Benchmark {
  name: string
  measure: (settings: BenchSettings) => Promise<Report>
}

export interface BenchSettings {
  /** A directory of this benchmark's own, on a real disk; it is removed afterwards. */
  directory: string
  /** What the measuring may take; setting up comes on top. */
  budgetMs: number
  /** Agents where many are asked at once. */
  agents: number
  /** Sizes of the files that are moved. */
  mebibytes: readonly number[]
  world: World
}
