import { randomUUID } from 'node:crypto'
import type { Network } from '../../protocol/network/read-network.ts'
import type { World } from '../../protocol/world.ts'
import { createServerClock } from '../clock/server-clock.ts'
import type { AgentConfig } from '../config.ts'
import { createConnect } from '../connect.ts'
import { chooseDoor, type Door, doorOfBootstrap, doorOfEnrolment } from '../enrol/door.ts'
import { Enrolment } from '../enrol/enrolment.ts'
import { readBootstrap } from '../enrol/read-bootstrap.ts'
import { describeError } from '../log.ts'
import { readStateFile, statePaths } from '../state-directory.ts'
import { checkAgent, checkPolicy, checkRunner } from './check-agent.ts'
import { checkAudit } from './check-audit.ts'
import { checkEnrolment } from './check-enrolment.ts'
import { checkDisk, checkMemory, checkModes } from './check-files.ts'
import { checkClock, checkQueue, describeNetwork } from './check-queue.ts'
import { type Finding, fail } from './finding.ts'

/**
 * Looks at all that an agent needs, whether or not one is running, and changes nothing. What this user may not see is told
 * as such.
 */
export async function examineAgent(
  config: AgentConfig,
  network: Network,
  world: World,
): Promise<Finding[]> {
  const paths = statePaths(config.stateDirectory)
  const findings: Finding[] = []
  const add = async (check: string, examine: () => Promise<Finding | Finding[]>) => {
    try {
      findings.push(...[await examine()].flat())
    } catch (error) {
      const { error: why } = describeError(error)
      findings.push(fail(check, why, 'read the message; run doctor as root'))
    }
  }

  await add('agent', async () => checkAgent(paths.statusSocket))
  await add('files', async () => checkModes(config, paths))
  await add('disk', async () => checkDisk(config))
  await add('memory', async () => checkMemory(config))
  const bootstrap = await readBootstrap(config.bootstrapPath)
  let enrolment: Enrolment | undefined
  await add('enrolment', async () => {
    enrolment = await readStateFile(paths.credentials, Enrolment)
    return []
  })
  const clock = createServerClock(world)
  const doors: Door[] = [
    ...(enrolment ? [doorOfEnrolment(enrolment)] : []),
    ...(bootstrap.kind === 'found' ? [doorOfBootstrap(bootstrap.bootstrap)] : []),
  ]
  const door = chooseDoor(doors, 1, world.now())
  if (door) {
    findings.push(describeNetwork(door, network))
    const connect = createConnect(randomUUID(), network, clock, world)
    let hasAnswer = false
    await add('queue', async () => {
      const finding = await checkQueue(door, { connect, world })
      hasAnswer = finding.verdict === 'ok'
      return finding
    })
    findings.push(checkClock(clock, hasAnswer))
  }
  findings.push(...checkEnrolment(enrolment, bootstrap, clock.now()))
  await add('policy', async () => checkPolicy(config))
  await add('audit', async () => checkAudit(config, paths))
  findings.push(checkRunner())
  return findings
}
