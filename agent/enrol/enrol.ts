import type { Hello } from '../../protocol/messages/enrolment.ts'
import { readStateFile, writeStateFile } from '../state-directory.ts'
import type { Door } from './door.ts'
import { Enrolment } from './enrolment.ts'
import type { WelcomeIn } from './enrolment-state.ts'
import { createDoorFinder } from './find-door.ts'
import { readBootstrap } from './read-bootstrap.ts'
import { createChallengeReader } from './read-challenge.ts'
import { type SeekParts, seekWelcome } from './seek-welcome.ts'

/** What enrolling needs beside the exchange itself. */
export interface EnrolParts extends Omit<SeekParts, 'findDoor' | 'readChallenge'> {
  bootstrapPath: string
  /** Nova's metadata service. */
  metadataUrl: string
  credentialsPath: string
}

/**
 * Reads the enrolment of before; `undefined` when there is none that counts: it is of another identity, or user-data now
 * names another cluster.
 *
 * @throws {StateFileInvalidError}
 */
export async function readEnrolment({
  identity,
  bootstrapPath,
  credentialsPath,
}: EnrolParts): Promise<Enrolment | undefined> {
  const known = await readStateFile(credentialsPath, Enrolment)
  if (known?.instanceUuid !== identity.instanceUuid) return undefined
  const reading = await readBootstrap(bootstrapPath)
  const hasMoved = reading.kind === 'found' && reading.bootstrap.cluster !== known.cluster
  return hasMoved ? undefined : known
}

/**
 * Introduces the agent to its controller (`enrol`), or asks for new credentials over the lobby (`renew`), for as long as it
 * takes; stores what the welcome brings.
 *
 * @param known the enrolment so far, when it is renewed.
 * @throws the signal's reason.
 */
export async function enrol(
  purpose: Hello['purpose'],
  parts: EnrolParts,
  { known, signal }: { known?: Enrolment; signal: AbortSignal },
): Promise<Enrolment> {
  const findDoor = createDoorFinder(parts.bootstrapPath, { ...parts, known: () => known })
  const readChallenge = createChallengeReader(parts.metadataUrl, parts)
  const seeking = { ...parts, findDoor, readChallenge }
  const { welcome, door } = await seekWelcome(purpose, seeking, signal)
  const enrolment = toEnrolment(welcome, door, parts.identity.instanceUuid)
  await storeEnrolment(enrolment, parts)
  const { instance, instanceName } = enrolment
  parts.log.info({ instance, instanceName, purpose }, 'the controller welcomed this agent')
  return enrolment
}

/** Keeps an enrolment over restarts. A full disk is no reason to stop: a restart then asks anew. */
export async function storeEnrolment(
  enrolment: Enrolment,
  { credentialsPath, log }: Pick<EnrolParts, 'credentialsPath' | 'log'>,
): Promise<void> {
  try {
    await writeStateFile(credentialsPath, Enrolment, enrolment)
  } catch (error) {
    log.error({ path: credentialsPath, error: String(error) }, 'cannot store the credentials')
  }
}

function toEnrolment(welcome: WelcomeIn, door: Door, instanceUuid: string): Enrolment {
  const { instance, instanceName, reportKey, heartbeatSeconds, credentials } = welcome
  const { cluster, commandKey, enrolmentKey, certificateAuthority } = door
  return {
    v: 1,
    cluster,
    instance,
    instanceName,
    instanceUuid,
    commandKey,
    enrolmentKey,
    reportKey,
    heartbeatSeconds,
    credentials,
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
  }
}
