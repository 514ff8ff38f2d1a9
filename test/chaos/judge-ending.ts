import type { EndState } from '../../protocol/messages/replies.ts'
import type { DisturbanceKind } from './disturbances.ts'
import { expectedOutput, type PlannedCommand } from './planned-command.ts'

/** What was seen of a command, from its post to the end of the run. */
export interface Ending {
  state: EndState | 'lost' | 'queued' | 'posted' | 'accepted'
  /** The state that a second look showed, after everything was quiet. */
  stateLater: string
  exitCode: number | undefined
  reason: string | undefined
  outputComplete: boolean
  stdout: Buffer
  /** How often it took effect. */
  effects: number
  /** What was done to its instance while it was under way. */
  disturbances: ReadonlySet<DisturbanceKind>
}

/** What is wrong with how a command ended; `[]` when nothing is. Pure. */
export function judgeEnding(command: PlannedCommand, ending: Ending): string[] {
  return [
    ...judgeState(command, ending),
    ...judgeEffects(command, ending),
    ...judgeOutput(command, ending),
  ]
}

const planned: Readonly<Record<PlannedCommand['kind'], EndState>> = {
  quick: 'succeeded',
  talk: 'succeeded',
  linger: 'succeeded',
  again: 'succeeded',
  fail: 'failed',
  late: 'timed-out',
  cancel: 'cancelled',
  write: 'succeeded',
  feed: 'succeeded',
}

function judgeState({ kind }: PlannedCommand, ending: Ending): string[] {
  const { state, stateLater, exitCode } = ending
  const problems = state === stateLater ? [] : [`was ${state}, and is ${stateLater} later`]
  if (state === planned[kind]) {
    const isPlanned = kind !== 'fail' || exitCode === 3 || isForNoSpace(ending)
    return isPlanned ? problems : [...problems, `exit code ${exitCode} instead of 3`]
  }
  if (isExcused(kind, ending)) return problems
  return [...problems, `is ${state} (${ending.reason}) instead of ${planned[kind]}`]
}

function isExcused(kind: PlannedCommand['kind'], ending: Ending): boolean {
  const { state, disturbances } = ending
  if (state === 'interrupted') {
    // What runs in the agent itself ends with it; all else outlives it. A reboot repeats what may be repeated.
    if (disturbances.has('runner-killed') || disturbances.has('disk-full')) return true
    if (disturbances.has('rebooted')) return kind !== 'again'
    return kind === 'write' && disturbances.has('agent-killed')
  }
  return (state === 'refused' || state === 'failed') && isForNoSpace(ending)
}

function isForNoSpace({ disturbances, reason }: Ending): boolean {
  return disturbances.has('disk-full') && reason !== undefined
}

function judgeEffects({ kind }: PlannedCommand, { state, effects, reason }: Ending): string[] {
  if (effects > 1 && kind !== 'again') return [`took effect ${effects} times`]
  const hasRun = state === 'succeeded' || ((state === 'failed' || state === 'timed-out') && !reason)
  if (hasRun && effects === 0) return [`is ${state}, and took no effect`]
  if (state === 'refused' && effects > 0) return ['was refused, and took effect']
  return []
}

function judgeOutput(command: PlannedCommand, ending: Ending): string[] {
  const { state, stdout } = ending
  const expected = expectedOutput(command)
  // One that names a reason, such as a full disk, has told that output is missing.
  const endedAsPlanned = command.kind === 'fail' && ending.exitCode === 3 && !ending.reason
  if (state === 'succeeded' || endedAsPlanned) {
    const problems = stdout.equals(expected) ? [] : [describeDifference(stdout, expected)]
    return ending.outputComplete ? problems : [...problems, 'its output never became complete']
  }
  const isBeginning = stdout.equals(expected.subarray(0, stdout.length))
  const problems = isBeginning ? [] : [describeDifference(stdout, expected)]
  return ending.outputComplete ? problems : [...problems, 'its output never became complete']
}

function describeDifference(stdout: Buffer, expected: Buffer): string {
  const at = stdout.findIndex((byte, index) => byte !== expected[index])
  return `printed ${stdout.length} bytes instead of ${expected.length}, other ones from byte ${at} on`
}
