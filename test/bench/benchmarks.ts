import { agent } from './agent.ts'
import { agents } from './agents.ts'
import type { Benchmark } from './benchmark.ts'
import { queue } from './queue.ts'
import { roundTrip } from './round-trip.ts'
import { sahara } from './sahara.ts'
import { throughput } from './throughput.ts'
import { transfer } from './transfer.ts'

/** All of them, in the order of `npm run bench`. */
export const benchmarks: readonly Benchmark[] = [
  roundTrip,
  throughput,
  agents,
  agent,
  queue,
  transfer,
  sahara,
]
