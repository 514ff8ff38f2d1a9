import type { Instance } from '../../api/resources.ts'
import { formatAge, formatMoment } from './human-time.ts'
import { formatFields, formatTable } from './table.ts'

/** Instances as a table. */
export function formatInstances(instances: readonly Instance[], now: Date): string {
  return formatTable(
    ['NAME', 'STATE', 'LAST SEEN', 'OPEN COMMANDS', 'ALERTS', 'AGENT', 'ID'],
    instances.map((instance) => [
      instance.name,
      instance.state,
      formatAge(instance.lastSeenAt, now),
      instance.openCommands,
      instance.alerts.length,
      instance.agentVersion ?? '-',
      instance.id,
    ]),
  )
}

/** All that is known of one, and its alerts. */
export function formatInstance(instance: Instance, now: Date): string {
  const { auditHead, clockOffsetMs: offset } = instance
  const fields = formatFields({
    name: instance.name,
    id: instance.id,
    cluster: instance.cluster,
    state: instance.state,
    'instance UUID': instance.instanceUuid ?? '-',
    enrolled: formatMoment(instance.enrolledAt, now),
    'new key': instance.enrolmentAllowed ? 'allowed, once' : 'not allowed',
    'last seen': formatMoment(instance.lastSeenAt, now),
    agent: instance.agentVersion ?? '-',
    'clock offset': offset === null ? '-' : `${Math.round(offset)} ms`,
    'credentials until': formatMoment(instance.credentialsExpireAt, now),
    'audit log': auditHead === null ? '-' : `line ${auditHead.sequence}, SHA-256 ${auditHead.hash}`,
    'open commands': instance.openCommands,
  })
  if (instance.alerts.length === 0) return fields
  const alerts = instance.alerts.map(({ at, code, message }) => [formatAge(at, now), code, message])
  return `${fields}\n${formatTable(['ALERT', 'CODE', 'MESSAGE'], alerts)}`
}
