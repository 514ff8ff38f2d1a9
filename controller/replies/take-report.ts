import type { Report } from '../../protocol/messages/reports.ts'
import type { Context } from '../context.ts'
import { keepReportedAlert, raiseAlert, takeAlertSequence } from '../store/alerts.ts'
import {
  type AuditHead,
  markSeen,
  noteAuditHead,
  noteHeartbeat,
  readInstance,
  takeHeartbeatSequence,
} from '../store/instances.ts'
import { judgeAuditHead } from './judge-audit-head.ts'

/** Books a report that was proved to come from the instance; one that was booked before is a replay. Call it inside `write`. */
export function takeReport(context: Context, instanceId: string, report: Report): void {
  const { config, store, world, log } = context
  const isNew = report.kind === 'heartbeat' ? takeHeartbeatSequence : takeAlertSequence
  if (!isNew(store, instanceId, report.sequence)) {
    log.info({ instance: instanceId, sequence: report.sequence }, 'an old report was dropped')
    return
  }
  switch (report.kind) {
    case 'heartbeat':
      // No alert is a sign of life: whoever runs the queue may hold some back, and deliver them for a guest that is gone.
      markSeen(store, instanceId, world.now())
      noteHeartbeat(store, instanceId, report)
      if (report.audit) takeAuditHead(context, instanceId, report.audit, report.at)
      return
    case 'alert':
      return keepReportedAlert(
        store,
        instanceId,
        { at: report.at, code: report.code, message: report.message },
        config.limits.alertsPerInstance,
      )
  }
}

/** Remembers how far an instance's audit log goes; one that was cut short or changed since is an alert. */
function takeAuditHead(context: Context, instanceId: string, head: AuditHead, at: Date): void {
  const { store } = context
  const known = readInstance(store, instanceId)?.auditHead
  const alert = known ? judgeAuditHead(known, head) : undefined
  if (alert) raiseAlert(store, instanceId, { at, ...alert })
  noteAuditHead(store, instanceId, { sequence: head.sequence, hash: head.hash })
}
