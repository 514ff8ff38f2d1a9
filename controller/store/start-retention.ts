import { type Alarm, startAlarm } from '../alarm.ts'
import type { ContentStore } from '../contents/content-store.ts'
import type { Context } from '../context.ts'
import { deleteExpiredSecrets } from './enrolment-secrets.ts'
import {
  giveUpOldOutput,
  removeDeletedParents,
  removeOldCommands,
  removeUnwantedOutput,
} from './retention.ts'

const hourMs = 60 * 60 * 1000
const dayMs = 24 * hourMs

/** Once an hour, and at the start, removes what is past its time or over its bound. */
export function startRetention(context: Context, contents: ContentStore): Alarm {
  const { log, world } = context
  let nextDueAt = world.now()
  const ring = async () => {
    await removeOld(context, contents)
    nextDueAt = new Date(world.now().getTime() + hourMs)
  }
  return startAlarm({ name: 'retention', nextDueAt: () => nextDueAt, ring }, world, log)
}

async function removeOld({ config, store, world }: Context, contents: ContentStore): Promise<void> {
  const now = world.now()
  const before = new Date(now.getTime() - config.retention.days * dayMs)
  const { outputBytes } = config.retention
  // Each round is a change of its own, so that requests come in between.
  while (await store.write(() => removeOldCommands(store, before)));
  await store.write(() => giveUpOldOutput(store, outputBytes))
  while (await store.write(() => removeUnwantedOutput(store)));
  await store.write(() => {
    removeDeletedParents(store, before)
    deleteExpiredSecrets(store, now)
  })
  await contents.sweep(new Date(now.getTime() - hourMs))
}
