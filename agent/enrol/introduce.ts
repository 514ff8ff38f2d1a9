import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Network } from '../../protocol/network/read-network.ts'
import type { World } from '../../protocol/world.ts'
import type { ServerClock } from '../clock/server-clock.ts'
import type { AgentConfig } from '../config.ts'
import { createConnect } from '../connect.ts'
import type { Journal } from '../journal/journal.ts'
import type { Log } from '../log.ts'
import type { Lookout } from '../network/lookout.ts'
import type { StatePaths } from '../state-directory.ts'
import { type EnrolParts, enrol, readEnrolment } from './enrol.ts'
import type { Enrolment } from './enrolment.ts'
import { openIdentity } from './identity.ts'
import { readInstanceUuids } from './instance-uuid.ts'

/** Who this agent is, and what its controller has given it. */
export interface Introduction {
  parts: EnrolParts
  enrolment: Enrolment
}

/**
 * Finds out who this instance is, and enrols it unless that was done before. What an earlier identity, or another cluster,
 * has left in the state directory is cleared away: a cloned disk must not answer for the instance that it was cloned from.
 *
 * @throws the stop signal's reason; what `openIdentity` and `readEnrolment` throw.
 */
export async function introduce(
  config: AgentConfig,
  paths: StatePaths,
  outside: {
    journal: Journal
    network: Network
    lookout: Lookout
    clock: ServerClock
    world: World
    log: Log
    onState: (state: string) => void
  },
  stop: AbortSignal,
): Promise<Introduction> {
  const { clock, network, lookout, world, log, onState, journal } = outside
  const readings = await readInstanceUuids(config.instanceUuid)
  const { identity, isNew } = await openIdentity(paths.identity, readings)
  const parts: EnrolParts = {
    identity,
    isNewIdentity: isNew,
    connect: createConnect(identity.clientId, network, clock, world),
    bootstrapPath: config.bootstrapPath,
    metadataUrl: config.metadataUrl,
    credentialsPath: paths.credentials,
    lookout,
    clock,
    world,
    log,
    onState,
  }
  const known = isNew ? undefined : await readEnrolment(parts)
  if (known) return { parts, enrolment: known }
  log.info({ instanceUuid: identity.instanceUuid, isNew }, 'this instance is not enrolled yet')
  await clearLeftovers(journal, paths, isNew)
  return { parts, enrolment: await enrol('enrol', parts, { signal: stop }) }
}

async function clearLeftovers(
  journal: Journal,
  paths: StatePaths,
  hasNewKeys: boolean,
): Promise<void> {
  await rm(paths.credentials, { force: true })
  if (hasNewKeys || journal.owedCount() > 0) await journal.startOver({ hasNewKeys })
  for (const name of await readdir(paths.commands)) {
    await rm(join(paths.commands, name), { recursive: true, force: true })
  }
}
