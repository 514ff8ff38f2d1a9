import { signedUrlExpiry } from '../../protocol/signed-url/signed-url.ts'
import type { World } from '../../protocol/world.ts'
import { agentVersion } from '../agent-version.ts'
import type { Enrolment } from '../enrol/enrolment.ts'
import type { Facts } from '../facts.ts'
import type { LoadedPolicy } from '../policy/read-policy.ts'
import { createQueueFailures, type QueueFailures } from './queue-failures.ts'
import type { Status } from './status.ts'

/** What the parts of the agent tell about themselves while they work, for `status`. */
export interface StatusBoard {
  phase: Status['phase']
  enrolment: string
  /** Set once there is an enrolment. */
  enrolled: (() => Enrolment) | undefined
  /** Set once commands can run. */
  facts: (() => Facts) | undefined
  /** Set once it was read. */
  policy: (() => LoadedPolicy) | undefined
  /** Set once the agent claims. */
  claimsVia: (() => 'queue' | 'gateway' | undefined) | undefined
  notePoll: (poll: Poll) => void
  /** Told of each request to the queue service that ended. */
  noteRequest: QueueFailures['note']
  noteDrop: (reason: string) => void
  uptimeSeconds: () => number
  read: () => Status
}

/** One claim, as the claim loop tells of it. */
interface Poll {
  answered: boolean
  waited: boolean
  pauseMs: number
}

export function createStatusBoard(
  stateDirectory: string,
  world: Pick<World, 'now' | 'monotonicMs'>,
): StatusBoard {
  const startedAt = world.now()
  const startedMs = world.monotonicMs()
  const dropped: Record<string, number> = {}
  let lastAnswerAt: Date | null = null
  let lastPoll: Poll | undefined

  const failures = createQueueFailures(() => board.enrolled?.().credentials, world)
  const board: StatusBoard = {
    phase: 'enrolling',
    enrolment: 'starting',
    enrolled: undefined,
    facts: undefined,
    claimsVia: undefined,
    policy: undefined,
    notePoll: (poll) => {
      if (poll.answered) lastAnswerAt = world.now()
      lastPoll = poll
    },
    noteRequest: failures.note,
    noteDrop: (reason) => {
      dropped[reason] = (dropped[reason] ?? 0) + 1
    },
    uptimeSeconds: () => (world.monotonicMs() - startedMs) / 1000,
    read: () => {
      const enrolment = board.enrolled?.()
      const facts = board.facts?.()
      return {
        agentVersion,
        pid: process.pid,
        stateDirectory,
        startedAt,
        uptimeSeconds: board.uptimeSeconds(),
        phase: board.phase,
        enrolment: board.enrolment,
        instance: enrolment?.instance ?? null,
        instanceName: enrolment?.instanceName ?? null,
        cluster: enrolment?.cluster ?? null,
        endpoint: enrolment?.credentials.endpoint ?? null,
        credentialsExpireAt: enrolment ? signedUrlExpiry(enrolment.credentials.claim) : null,
        running: facts?.running ?? [],
        waiting: facts?.waiting ?? 0,
        owed: facts?.owed ?? 0,
        clockOffsetMs: facts?.clockOffsetMs ?? 0,
        lastAnswerAt,
        queueFailures: failures.now(),
        longPoll: lastPoll?.waited ?? null,
        gateway: enrolment?.credentials.gateway ?? null,
        claimsVia: board.claimsVia?.() ?? null,
        pollPauseMs: lastPoll?.pauseMs ?? null,
        policy: describePolicy(board.policy?.()),
        dropped,
      }
    },
  }
  return board
}

function describePolicy(loaded: LoadedPolicy | undefined): Status['policy'] {
  if (!loaded) return null
  const { source, path, problem, policy } = loaded
  return { source, path, mode: policy.mode, preset: policy.preset, problem }
}
