import { type FaultKind, faultWeights, type PlannedFault } from './fault.ts'
import { commandWeights, type PlannedCommand } from './planned-command.ts'
import { type SeededRandom, seededRandom } from './seeded-random.ts'

export interface PlanOptions {
  seed: number
  commands: number
  faults: number
  instances: number
  /** Kinds of faults that this machine cannot have. */
  without: readonly FaultKind[]
}

/** What a run does: the same options give the same commands and the same faults in the same order. */
export interface Plan {
  commands: PlannedCommand[]
  faults: PlannedFault[]
}

/** Pure. Commands and faults have sequences of their own: more faults do not change the commands. */
export function planChaos(options: PlanOptions): Plan {
  const forCommands = seededRandom(options.seed)
  const forFaults = seededRandom(options.seed ^ 0x5eed)
  return {
    commands: Array.from({ length: options.commands }, (_, serial) =>
      planCommand(serial, options.instances, forCommands),
    ),
    faults: planFaults(options, forFaults),
  }
}

function planCommand(serial: number, instances: number, random: SeededRandom): PlannedCommand {
  const kind = random.weighted(commandWeights)
  const instance = random.between(0, instances - 1)
  const lines = kind === 'talk' ? random.between(2000, 40_000) : random.between(0, 20)
  const sleepMs = kind === 'linger' || kind === 'again' ? random.between(100, 1500) : 0
  const lane = random.next() < 0.3 ? `lane-${random.between(0, 2)}` : undefined
  return { serial, kind, instance, lines, sleepMs, lane }
}

/** One of each kind first, so that even a short run has them all; spread evenly over the commands' ends. */
function planFaults(options: PlanOptions, random: SeededRandom): PlannedFault[] {
  const { faults, commands, instances, without } = options
  const weights = { ...faultWeights }
  for (const kind of without) weights[kind] = 0
  const firstOnes = allKinds.filter((kind) => weights[kind] > 0)
  return Array.from({ length: faults }, (_, index) => ({
    afterEnded: Math.floor(((index + 1) * commands) / (faults + 2)),
    kind: firstOnes[index] ?? random.weighted(weights),
    instance: random.between(0, instances - 1),
    side: random.pick(['agent', 'controller'] as const),
    way: random.pick(['claim', 'post', 'delete'] as const),
    times: random.between(1, 3),
    strength: random.next(),
  }))
}

const allKinds: readonly FaultKind[] = [
  'kill-agent',
  'duplicate',
  'kill-queue',
  'lose-answer',
  'kill-controller',
  'reorder',
  'kill-runner',
  'replay',
  'reboot',
  'lose-request',
  'corrupt',
  'delay',
  'queue-clock',
  'garble-answer',
  'agent-clock',
  'slow',
  'full-disk',
  'half-open',
]
