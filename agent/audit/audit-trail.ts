import type { Command } from '../../protocol/messages/command.ts'
import type { Result } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import { agentVersion } from '../agent-version.ts'
import type { LoadedPolicy } from '../policy/read-policy.ts'
import type { AuditHead } from './audit-line.ts'
import type { AuditLog } from './audit-log.ts'
import { describeOperation, type ShownArguments } from './describe-operation.ts'

/** What the agent tells its audit log. What throws must be told before the thing itself is done. */
export interface AuditTrail {
  started: (bootId: string) => void
  /** @throws {AuditUnavailableError} but not for a `cancel`, which is counted: it may be what makes room. */
  received: (command: Command, signer: string) => void
  /** @throws {AuditUnavailableError} */
  begun: (command: Command) => void
  ended: (command: Pick<Command, 'id'>, result: Result) => void
  observed: (command: Pick<Command, 'id'>, rule: string) => void
  dropped: (reason: string, why: string) => void
  policyRead: (loaded: LoadedPolicy) => void
  head: () => Promise<AuditHead>
}

/** Whoever can post garbage must not be able to push honest lines out of a bounded log: so many are told in a minute. */
const dropsPerMinute = 60
const minuteMs = 60_000

export function createAuditTrail(
  log: AuditLog,
  shown: ShownArguments,
  world: Pick<World, 'monotonicMs'>,
): AuditTrail {
  let minute = { startMs: Number.NEGATIVE_INFINITY, told: 0, untold: 0 }
  return {
    head: log.flushedHead,
    started: (bootId) => log.note({ event: 'started', agentVersion, bootId, pid: process.pid }),
    received: (command, signer) => {
      const { id, issuedAt, deadline, idempotent, lane } = command
      const tell = command.operation.name === 'cancel' ? log.note : log.append
      tell({
        event: 'received',
        command: id,
        signer,
        ...describeOperation(command, shown),
        issuedAt,
        deadline,
        ...(idempotent ? { idempotent } : {}),
        lane,
      })
    },
    begun: ({ id }) => log.append({ event: 'begun', command: id }),
    ended: ({ id }, result) => {
      const event = result.state === 'refused' ? 'refused' : 'ended'
      log.note({ event, command: id, ...describeResult(result) })
    },
    observed: ({ id }, rule) => log.note({ event: 'observed', command: id, rule }),
    dropped: (reason, why) => {
      const nowMs = world.monotonicMs()
      if (nowMs - minute.startMs >= minuteMs) {
        minute = { startMs: nowMs, told: 0, untold: minute.untold }
      }
      if (minute.told >= dropsPerMinute) {
        minute.untold += 1
        return
      }
      const untold = minute.untold > 0 ? { andBefore: minute.untold } : {}
      minute = { ...minute, told: minute.told + 1, untold: 0 }
      log.note({ event: 'dropped', reason, why: why.slice(0, 512), ...untold })
    },
    policyRead: ({ source, policy, sha256, problem, path }) => {
      const { mode, preset } = policy
      log.note({
        event: 'policy',
        source,
        path,
        sha256,
        mode,
        preset,
        ...(problem ? { problem } : {}),
      })
    },
  }
}

/** How it ended; what an operation answers (facts, headers) is left out. */
function describeResult({ state, exitCode, signal, reason, rule, streams }: Result) {
  const output = Object.entries(streams).map(([name, { size, sha256 }]) => [name, { size, sha256 }])
  return {
    state,
    exitCode,
    signal,
    reason: reason?.code,
    rule,
    ...(output.length > 0 ? { output: Object.fromEntries(output) } : {}),
  }
}
