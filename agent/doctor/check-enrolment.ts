import { signedUrlExpiry } from '../../protocol/signed-url/signed-url.ts'
import type { Enrolment } from '../enrol/enrolment.ts'
import type { BootstrapReading } from '../enrol/read-bootstrap.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** How long before their end the agent has renewed them, if all is well, in milliseconds. */
const soonMs = 3_600_000

/** Whether the instance is enrolled, and how long its credentials last by the queue's clock. Pure. */
export function checkEnrolment(
  enrolment: Enrolment | undefined,
  bootstrap: BootstrapReading,
  now: Date,
): Finding[] {
  const found = checkBootstrap(bootstrap, enrolment !== undefined)
  if (!enrolment)
    return [found, warn('enrolment', 'not enrolled', 'start the agent, and look at its log')]
  const { instanceName, instance, cluster } = enrolment
  return [
    found,
    ok('enrolment', `${instanceName} (${instance}) of cluster ${cluster}`),
    checkLife(enrolment, now),
  ]
}

function checkBootstrap(reading: BootstrapReading, isEnrolled: boolean): Finding {
  if (reading.kind === 'found') {
    const { clusterName, hello } = reading.bootstrap
    return ok(
      'user-data',
      `for cluster ${clusterName}, valid until ${signedUrlExpiry(hello).toISOString()}`,
    )
  }
  const detail = reading.kind === 'missing' ? 'no bootstrap file' : `unusable: ${reading.why}`
  const remedy =
    'make user-data with `sahara-controller user-data`, and put the bootstrap file in its place'
  return isEnrolled ? warn('user-data', detail, remedy) : fail('user-data', detail, remedy)
}

function checkLife({ credentials }: Enrolment, now: Date): Finding {
  const { claim, acknowledge, reply } = credentials
  const ends = [claim, acknowledge, reply].map((url) => signedUrlExpiry(url).getTime())
  const end = new Date(Math.min(...ends))
  const leftMs = end.getTime() - now.getTime()
  const remedy =
    'the running agent renews them over the lobby; if it does not, look at its log and at the controller'
  const name = 'signed URLs'
  if (leftMs <= 0) return fail(name, `ended at ${end.toISOString()}`, remedy)
  const detail = `until ${end.toISOString()}, ${Math.round(leftMs / 60_000)} minutes`
  return leftMs < soonMs ? warn(name, detail, remedy) : ok(name, detail)
}
