import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { ConfigInvalidError } from '../../protocol/errors.ts'
import { generatePrivateKey, importKey, type Key, PrivateKey } from '../../protocol/sealing/keys.ts'
import { readStateFile, writeStateFile } from '../state-directory.ts'
import { isSameInstance, type UuidReading, UuidSource } from './instance-uuid.ts'

/** Who this agent is: made at its first boot, and never part of an image. */
const IdentityFile = z.strictObject({
  v: z.literal(1),
  instanceUuid: z.string(),
  uuidSource: UuidSource,
  /** Names this client to Zaqar; it proves nothing. */
  clientId: z.uuid(),
  sealingKey: PrivateKey,
  signingKey: PrivateKey,
})
type IdentityFile = z.output<typeof IdentityFile>

/** The identity with its keys ready for use. */
export interface Identity {
  instanceUuid: string
  clientId: string
  sealingKey: Key
  signingKey: Key
  /** The private keys' own form, for their public parts. */
  keys: Pick<IdentityFile, 'sealingKey' | 'signingKey'>
}

/**
 * Reads the identity, or makes one.
 *
 * @param readings what may stand for the instance's UUID, the most trusted first.
 * @returns `isNew` when keys were made: all that an older identity has left behind belongs to another instance.
 * @throws {ConfigInvalidError} nothing stands for the instance's UUID.
 * @throws {StateFileInvalidError}
 */
export async function openIdentity(
  path: string,
  readings: readonly UuidReading[],
): Promise<{ identity: Identity; isNew: boolean }> {
  const known = await readStateFile(path, IdentityFile)
  if (known && isSameInstance({ source: known.uuidSource, uuid: known.instanceUuid }, readings)) {
    return { identity: await importIdentity(known), isNew: false }
  }
  const made = await makeIdentity(readings)
  await writeStateFile(path, IdentityFile, made)
  return { identity: await importIdentity(made), isNew: true }
}

async function makeIdentity(readings: readonly UuidReading[]): Promise<IdentityFile> {
  const [best] = readings
  if (!best) {
    throw new ConfigInvalidError(
      'this instance has no UUID: neither cloud-init nor the firmware nor /etc/machine-id tells one; set instanceUuid in the configuration',
    )
  }
  return {
    v: 1,
    instanceUuid: best.uuid,
    uuidSource: best.source,
    clientId: randomUUID(),
    sealingKey: await generatePrivateKey('X25519'),
    signingKey: await generatePrivateKey('Ed25519'),
  }
}

async function importIdentity(file: IdentityFile): Promise<Identity> {
  const { instanceUuid, clientId, sealingKey, signingKey } = file
  return {
    instanceUuid,
    clientId,
    sealingKey: await importKey(sealingKey),
    signingKey: await importKey(signingKey),
    keys: { sealingKey, signingKey },
  }
}
