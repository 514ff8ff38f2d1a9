import { timingSafeEqual } from 'node:crypto'
import type { Store } from '../store/open-store.ts'

/**
 * The challenge of one instance: whoever may write its Nova server's metadata puts it there, and the instance shows it with
 * its hello. It is made of the cluster, the UUID and the store's key, so that it is the same after any restart, and
 * one instance's tells nothing about another's.
 */
export function makeChallenge(
  { key }: Pick<Store, 'key'>,
  clusterId: string,
  instanceUuid: string,
): Uint8Array {
  return key.challenge(JSON.stringify([clusterId, instanceUuid.toLowerCase()]))
}

/** Compares in constant time. */
export function isChallengeMet(
  store: Pick<Store, 'key'>,
  clusterId: string,
  shown: { instanceUuid: string; challenge?: Uint8Array | undefined },
): boolean {
  if (shown.challenge === undefined) return false
  const wanted = makeChallenge(store, clusterId, shown.instanceUuid)
  return shown.challenge.length === wanted.length && timingSafeEqual(shown.challenge, wanted)
}
