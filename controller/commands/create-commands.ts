import { z } from 'zod'
import { NewCommand } from '../api/resources.ts'
import type { ContentStore } from '../contents/content-store.ts'
import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import { InstanceNotEnrolledError, InstanceNotFoundError, LimitReachedError } from '../errors.ts'
import { countOpenCommands } from '../store/commands.ts'
import { noteContent } from '../store/contents.ts'
import { findByIdempotencyKey, insertIdempotencyKey } from '../store/idempotency-keys.ts'
import { type Instance, readInstance } from '../store/instances.ts'
import { checkNewCommand } from './check-new-command.ts'
import { fileCommand, type Order } from './file-command.ts'

/** What creating commands needs beside the context. */
export interface Intake {
  contents: ContentStore
  departures: Departures
}

/**
 * Takes on one command for each of the instances, all or none; they are flushed to the store when it resolves.
 *
 * @returns their ids, in the order of the instances.
 * @throws {RequestInvalidError | ContentNotFoundError | InstanceNotEnrolledError | LimitReachedError}
 */
export async function createCommands(
  context: Context,
  { contents, departures }: Intake,
  instances: readonly Instance[],
  request: NewCommand,
): Promise<string[]> {
  const order = await prepareOrder(context, contents, request)
  const ids = await context.store.write(() =>
    instances.map((instance) => fileForInstance(context, instance, order)),
  )
  for (const instance of instances) departures.wake(instance.id)
  return ids
}

/**
 * Takes on a command once for each idempotency key: the same key with the same body gives the same command again.
 *
 * @throws {IdempotencyConflictError} the key was used with another body; and as `createCommands`.
 */
export async function createCommandOnce(
  context: Context,
  { contents, departures }: Intake,
  instance: Instance,
  request: NewCommand,
  key: string,
): Promise<{ id: string; isNew: boolean }> {
  const { store } = context
  const bodyDigest = store.key.digest(JSON.stringify(z.encode(NewCommand, request)))
  const use = { instanceId: instance.id, key, bodyDigest }
  // Looked up once before, as the content of an old command may be gone by now.
  const known = findByIdempotencyKey(store, use)
  if (known !== undefined) return { id: known, isNew: false }
  const order = await prepareOrder(context, contents, request)
  const made = await store.write(() => {
    const meanwhile = findByIdempotencyKey(store, use)
    if (meanwhile !== undefined) return { id: meanwhile, isNew: false }
    const id = fileForInstance(context, instance, order)
    insertIdempotencyKey(store, { ...use, commandId: id })
    return { id, isNew: true }
  })
  departures.wake(instance.id)
  return made
}

async function prepareOrder(
  { world }: Context,
  contents: ContentStore,
  request: NewCommand,
): Promise<Order> {
  checkNewCommand(request)
  const { content, startWithinSeconds, ...rest } = request
  return {
    ...rest,
    startBy: new Date(world.now().getTime() + startWithinSeconds * 1000),
    content:
      content === undefined
        ? undefined
        : 'bytes' in content
          ? await contents.keepBytes(content.bytes)
          : contents.require(content.sha256),
  }
}

function fileForInstance(context: Context, instance: Instance, order: Order): string {
  const { config, store, world } = context
  // It may have been forgotten since it was found.
  if (readInstance(store, instance.id) === undefined) {
    throw new InstanceNotFoundError(instance.clusterId, instance.name)
  }
  if (instance.enrolledAt === null) throw new InstanceNotEnrolledError(instance.name)
  const limit = config.limits.openCommandsPerInstance
  if (countOpenCommands(store, { instanceId: instance.id }) >= limit) {
    throw new LimitReachedError(
      `instance "${instance.name}" has ${limit} open commands, as many as it may; wait until some have ended`,
    )
  }
  if (order.content) noteContent(store, { ...order.content, now: world.now() })
  return fileCommand(context, instance, order).id
}
