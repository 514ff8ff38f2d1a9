import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'
import { type NewSecrets, secretMinBytes } from '../../protocol/messages/secrets.ts'
import { NewCommand } from '../api/resources.ts'
import type { ContentStore } from '../contents/content-store.ts'
import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import {
  InstanceNotEnrolledError,
  InstanceNotFoundError,
  LimitReachedError,
  NoInstanceEnrolledError,
} from '../errors.ts'
import { countOpenCommands } from '../store/commands.ts'
import { noteContent } from '../store/contents.ts'
import {
  findAllByIdempotencyKey,
  findByIdempotencyKey,
  insertIdempotencyKey,
} from '../store/idempotency-keys.ts'
import { type Instance, isInstance } from '../store/instances.ts'
import { checkNewCommand } from './check-new-command.ts'
import { fileCommand, type Order } from './file-command.ts'
import { sealSecrets } from './seal-secrets.ts'

/** What creating commands needs beside the context. */
export interface Intake {
  contents: ContentStore
  departures: Departures
}

/**
 * Takes on one command for each of the instances, all or none; they are flushed to the store when it resolves.
 *
 * @param inWrite may give others back instead of filing them, within the transaction.
 * @returns their ids, in the order of the instances.
 * @throws {RequestInvalidError | ContentNotFoundError | InstanceNotEnrolledError | NoInstanceEnrolledError | LimitReachedError}
 */
export async function createCommands(
  context: Context,
  { contents, departures }: Intake,
  instances: readonly Instance[],
  request: NewCommand,
  inWrite: (file: () => string[]) => string[] = (file) => file(),
): Promise<string[]> {
  if (instances.length === 0) throw new NoInstanceEnrolledError()
  const prepared = await prepareOrder(context, contents, request)
  const orders = await Promise.all(
    instances.map(
      async (instance) => [instance, await orderFor(context, instance, prepared)] as const,
    ),
  )
  const ids = await context.store.write(() =>
    inWrite(() => orders.map(([instance, order]) => fileForInstance(context, instance, order))),
  )
  for (const instance of instances) departures.wake(instance.id)
  // They are on their way before whoever asked for them has an answer.
  await nextTurn()
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
  const bodyDigest = digestOf(context, 'one', request)
  const use = { instanceId: instance.id, key, bodyDigest }
  // Looked up once before, as the content of an old command may be gone by now.
  const known = findByIdempotencyKey(store, use)
  if (known !== undefined) return { id: known, isNew: false }
  const order = await orderFor(context, instance, await prepareOrder(context, contents, request))
  const made = await store.write(() => {
    const meanwhile = findByIdempotencyKey(store, use)
    if (meanwhile !== undefined) return { id: meanwhile, isNew: false }
    const id = fileForInstance(context, instance, order)
    insertIdempotencyKey(store, { ...use, commandId: id })
    return { id, isNew: true }
  })
  departures.wake(instance.id)
  await nextTurn()
  return made
}

/**
 * Takes on one command for each of a cluster's instances, once for each idempotency key: the same key with the same body
 * gives the same commands again, for instances that have enrolled meanwhile too.
 *
 * @throws {IdempotencyConflictError} the key was used with another body, or for one instance; and as `createCommands`.
 */
export async function createCommandsOnce(
  context: Context,
  intake: Intake,
  { clusterId, instances }: { clusterId: string; instances: readonly Instance[] },
  request: NewCommand,
  key: string,
): Promise<{ ids: string[]; isNew: boolean }> {
  const { store } = context
  const use = { key, bodyDigest: digestOf(context, 'all', request) }
  const known = findAllByIdempotencyKey(store, { ...use, clusterId })
  if (known.length > 0) return { ids: known, isNew: false }
  let isNew = true
  const ids = await createCommands(context, intake, instances, request, (file) => {
    const meanwhile = findAllByIdempotencyKey(store, { ...use, clusterId })
    isNew = meanwhile.length === 0
    if (!isNew) return meanwhile
    const made = file()
    for (const [index, commandId] of made.entries()) {
      const instanceId = instances[index]?.id ?? ''
      insertIdempotencyKey(store, { ...use, instanceId, commandId })
    }
    return made
  })
  return { ids, isNew }
}

/** Keyed, as a body may hold what is easily guessed. */
function digestOf({ store }: Context, route: 'one' | 'all', request: NewCommand): Uint8Array {
  const json = JSON.stringify(z.encode(NewCommand, withoutSecrets(request)))
  return store.key.digest(route === 'one' ? json : `all ${json}`)
}

/** Not even a digest of a secret is kept: that of a short one could be guessed at. */
function withoutSecrets(request: NewCommand): NewCommand {
  const { operation } = request
  if (operation.name !== 'exec' || operation.secrets === undefined) return request
  const names = Object.entries(operation.secrets).map(
    ([name, { via }]) => [name, { bytes: new Uint8Array(secretMinBytes), via }] as const,
  )
  return { ...request, operation: { ...operation, secrets: Object.fromEntries(names) } }
}

/** What is asked of each instance, and the secrets that are still to be sealed to each. */
interface Prepared {
  order: Order
  secrets: NewSecrets | undefined
}

async function orderFor(
  context: Context,
  instance: Instance,
  { order, secrets }: Prepared,
): Promise<Order> {
  return secrets === undefined ? order : sealSecrets(context, instance, order, secrets)
}

async function prepareOrder(
  { world }: Context,
  contents: ContentStore,
  request: NewCommand,
): Promise<Prepared> {
  checkNewCommand(request)
  const { content, startWithinSeconds, operation, ...rest } = request
  const { secrets, ...open } =
    operation.name === 'exec' ? operation : { ...operation, secrets: undefined }
  const order = {
    ...rest,
    operation: open,
    startBy: new Date(world.now().getTime() + startWithinSeconds * 1000),
    content:
      content === undefined
        ? undefined
        : 'bytes' in content
          ? await contents.keepBytes(content.bytes)
          : contents.require(content.sha256),
  }
  return { order, secrets }
}

function fileForInstance(context: Context, instance: Instance, order: Order): string {
  const { config, store, world } = context
  // It may have been forgotten since it was found.
  if (!isInstance(store, instance.id)) {
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
