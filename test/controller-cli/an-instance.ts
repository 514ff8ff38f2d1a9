import type { Instance } from '../../controller/api/resources.ts'

const noon = new Date('2030-01-01T12:00:00Z')

/** worker-1, enrolled and last heard of at noon; `differences` are all that a test cares about. */
export function anInstance(differences: Partial<Instance> = {}): Instance {
  return {
    id: '0197c0de-0000-7000-8000-0000000000a1',
    name: 'worker-1',
    cluster: 'web',
    state: 'enrolled',
    instanceUuid: null,
    enrolledAt: noon,
    enrolmentAllowed: false,
    lastSeenAt: noon,
    agentVersion: '1.0.0',
    clockOffsetMs: 0,
    credentialsExpireAt: null,
    auditHead: null,
    openCommands: 0,
    alerts: [],
    ...differences,
  }
}
