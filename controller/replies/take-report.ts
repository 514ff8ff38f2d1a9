import type { Report } from '../../protocol/messages/reports.ts'
import type { Context } from '../context.ts'
import { insertAlert } from '../store/alerts.ts'
import { markSeen, noteHeartbeat, takeReportSequence } from '../store/instances.ts'

/** Books a report that was proved to come from the instance; one that is not newer than those before is a replay. Call it inside `write`. */
export function takeReport(context: Context, instanceId: string, report: Report): void {
  const { config, store, world, log } = context
  if (!takeReportSequence(store, instanceId, report.sequence)) {
    log.info({ instance: instanceId, sequence: report.sequence }, 'an old report was dropped')
    return
  }
  markSeen(store, instanceId, world.now())
  switch (report.kind) {
    case 'heartbeat':
      return noteHeartbeat(store, instanceId, report)
    case 'alert':
      return insertAlert(
        store,
        instanceId,
        { at: report.at, code: report.code, message: report.message },
        config.limits.alertsPerInstance,
      )
  }
}
