import type { NewSecrets, SealedSecrets } from '../../protocol/messages/secrets.ts'
import { importKey } from '../../protocol/sealing/keys.ts'
import { sealSecret } from '../../protocol/sealing/seal-secret.ts'
import type { Context } from '../context.ts'
import { InstanceNotEnrolledError } from '../errors.ts'
import { uuidV7 } from '../ids.ts'
import type { Instance } from '../store/instances.ts'
import type { Order } from './file-command.ts'

/**
 * Seals a command's secrets to its instance before anything of it is stored: from here on the instance alone can read them,
 * and the controller no more. Should the instance enrol anew before it has the command, the command fails there.
 *
 * @returns the order for this instance, with the id that the secrets are bound to.
 * @throws {InstanceNotEnrolledError} it has no key to seal to.
 */
export async function sealSecrets(
  { world }: Pick<Context, 'world'>,
  instance: Instance,
  order: Order,
  secrets: NewSecrets,
): Promise<Order> {
  if (instance.sealingKey === null) throw new InstanceNotEnrolledError(instance.name)
  const agent = await importKey(instance.sealingKey)
  const id = uuidV7(world)
  const sealed = Object.entries(secrets).map(async ([name, { bytes, via }]) => {
    return [name, { sealed: await sealSecret(bytes, { command: id, name }, agent), via }] as const
  })
  const all: SealedSecrets = Object.fromEntries(await Promise.all(sealed))
  return { ...order, id, operation: { ...order.operation, secrets: all } }
}
