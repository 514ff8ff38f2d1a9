import { SealBrokenError } from './errors.ts'
import type { Key } from './keys.ts'
import { openAsReader, sealToReader } from './reader-seal.ts'

/** What a secret belongs to. The seal proves it: nobody can put an old sealed secret into a command that prints it. */
export interface SecretPlace {
  command: string
  name: string
}

const type = 'sahara-secret'

/**
 * Seals one secret of a command to its agent's key (JWE, ECDH-ES over X25519 with A256GCM), besides the seal around the whole
 * command: so that a controller can forget the value at once, and a journal holds it in this form alone.
 */
export async function sealSecret(
  secret: Uint8Array,
  { command, name }: SecretPlace,
  agent: Key,
): Promise<string> {
  return sealToReader(secret, { typ: type, command, secret: name }, agent)
}

/** @throws {SealBrokenError} altered, of another place, or sealed to another key. */
export async function openSecret(
  sealed: string,
  { command, name }: SecretPlace,
  agent: Key,
): Promise<Uint8Array> {
  try {
    const { bytes, header } = openAsReader(sealed, agent)
    const { typ, command: sealedCommand, secret } = header
    if (typ === type && sealedCommand === command && secret === name) return bytes
  } catch (cause) {
    throw new SealBrokenError(`the secret "${name}" does not open with key ${agent.id}`, { cause })
  }
  throw new SealBrokenError(`the secret "${name}" was sealed for another command`)
}
