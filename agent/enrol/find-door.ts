import type { World } from '../../protocol/world.ts'
import type { ServerClock } from '../clock/server-clock.ts'
import type { Log } from '../log.ts'
import { closeToOthers } from '../private-files.ts'
import { chooseDoor, type Door, doorOfBootstrap, doorOfEnrolment } from './door.ts'
import type { Enrolment } from './enrolment.ts'
import { readBootstrap } from './read-bootstrap.ts'

/** How often the same lack is mentioned, in milliseconds. */
const mentionMs = 60_000

/** Makes the search for a door: reads the bootstrap file anew each time, and says what is wrong with it when that changes, and once a minute. */
export function createDoorFinder(
  bootstrapPath: string,
  {
    known,
    clock,
    world,
    log,
  }: { known: () => Enrolment | undefined; clock: ServerClock; world: World; log: Log },
): (attempt: number) => Promise<Door | undefined> {
  let mentioned = { why: '', atMs: Number.NEGATIVE_INFINITY }
  const mention = (why: string) => {
    const atMs = world.monotonicMs()
    if (why === mentioned.why && atMs - mentioned.atMs < mentionMs) return
    mentioned = { why, atMs }
    const message = `waiting for a usable bootstrap file at ${bootstrapPath}: ${why}`
    log.warn({ path: bootstrapPath, onConsole: true }, message)
  }
  return async (attempt) => {
    const enrolment = known()
    const reading = await readBootstrap(bootstrapPath)
    if (reading.kind === 'found') await closeToOthers([bootstrapPath], log)
    if (reading.kind === 'unusable') mention(reading.why)
    if (reading.kind === 'missing' && !enrolment) mention('there is none yet')
    const doors = [
      ...(reading.kind === 'found' ? [doorOfBootstrap(reading.bootstrap)] : []),
      ...(enrolment ? [doorOfEnrolment(enrolment)] : []),
    ].filter(({ cluster }) => enrolment === undefined || cluster === enrolment.cluster)
    return chooseDoor(doors, attempt, clock.now())
  }
}
