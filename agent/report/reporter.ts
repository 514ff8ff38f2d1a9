import type { Report } from '../../protocol/messages/reports.ts'
import { sealReport } from '../../protocol/sealing/seal-report.ts'
import type { World } from '../../protocol/world.ts'
import type { AuditTrail } from '../audit/audit-trail.ts'
import type { ServerClock } from '../clock/server-clock.ts'
import type { Enrolment } from '../enrol/enrolment.ts'
import type { Facts } from '../facts.ts'
import { describeError, type Log } from '../log.ts'
import type { Outbox } from '../reply/outbox.ts'

/** What the agent tells its controller unasked. */
export interface Reporter {
  /** Raises an alert; of one code at most one a minute goes out, and says how many it stands for. */
  alert: (code: string, message: string) => void
  /** Sends heartbeats until `signal`, the first at once. */
  beat: (signal: AbortSignal) => Promise<void>
}

export interface ReporterParts {
  outbox: Pick<Outbox, 'post'>
  enrolment: () => Enrolment
  facts: () => Facts
  audit: Pick<AuditTrail, 'head'>
  /** Larger than all that earlier starts of this agent have used. */
  firstSequence: number
  clock: ServerClock
  world: World
  log: Log
  closing: AbortSignal
}

const alertPauseMs = 60_000
const alertTtlSeconds = 86_400
/** Alerts of so many codes are told apart; the codes are our own, and few. */
const codesLimit = 64

export function createReporter(parts: ReporterParts): Reporter {
  const { outbox, enrolment, facts, audit, clock, world, log, closing } = parts
  const raised = new Map<string, { atMs: number; silenced: number }>()
  let sequence = parts.firstSequence

  const post = async (report: Report, ttlSeconds: number, replaces: string): Promise<void> => {
    const { instance, reportKey } = enrolment()
    try {
      const envelope = await sealReport(report, { id: instance, reportKey })
      await outbox.post({ envelope, ttlSeconds, replaces })
    } catch (error) {
      if (!closing.aborted) log.error(describeError(error), 'a report could not be sent')
    }
  }
  const place = () => {
    sequence += 1
    return { sequence, at: clock.now() }
  }
  const postHeartbeat = async (everySeconds: number): Promise<void> => {
    const { agentVersion, bootId, uptimeSeconds, running, owed, clockOffsetMs } = facts()
    const head = await audit.head().catch(() => undefined)
    const chain = head ? { audit: head } : {}
    const body = { agentVersion, bootId, uptimeSeconds, running, owed, clockOffsetMs, ...chain }
    const ttlSeconds = Math.max(60, Math.ceil(3 * everySeconds))
    await post({ kind: 'heartbeat', ...place(), ...body }, ttlSeconds, 'heartbeat')
  }

  return {
    alert: (code, message) => {
      const last = raised.get(code)
      const atMs = world.monotonicMs()
      if (last && atMs - last.atMs < alertPauseMs) {
        last.silenced += 1
        return
      }
      if (raised.size >= codesLimit && !last) return
      raised.set(code, { atMs, silenced: 0 })
      const more = last && last.silenced > 0 ? ` (and ${last.silenced} more of these)` : ''
      const text = `${message}${more}`.slice(0, 4096)
      log.warn({ alert: code }, text)
      const alert: Report = { kind: 'alert', ...place(), code: code.slice(0, 64), message: text }
      post(alert, alertTtlSeconds, `alert ${code}`).catch(() => undefined)
    },
    beat: async (signal) => {
      while (!signal.aborted) {
        const { heartbeatSeconds } = enrolment()
        // One that cannot be posted is replaced by the next, never waited for.
        postHeartbeat(heartbeatSeconds).catch(() => undefined)
        // Jitter, so that agents which booted together do not stay together.
        await world.sleep(heartbeatSeconds * 1000 * (0.9 + world.random() * 0.1), signal)
      }
    },
  }
}
