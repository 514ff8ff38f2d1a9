import type { PublicKey } from '../protocol/messages/enrolment.ts'
import { importKey, type Key, publicPart } from '../protocol/sealing/keys.ts'
import { ClusterNotFoundError } from './errors.ts'
import { readClusterKeys } from './store/clusters.ts'
import type { Store } from './store/open-store.ts'

/** A cluster's keys, ready for use. */
interface ClusterKeys {
  signing: Key
  enrolment: Key
  signingPublic: PublicKey
  enrolmentPublic: PublicKey
}

/** Unseals and imports each cluster's keys once. */
export interface ClusterKeyring {
  /** @throws {ClusterNotFoundError} it was deleted, and its keys with it. */
  keysOf: (clusterId: string) => Promise<ClusterKeys>
  forget: (clusterId: string) => void
}

/** As many keys are held as there are clusters, which the configuration bounds. */
export function createClusterKeyring(store: Store): ClusterKeyring {
  const known = new Map<string, Promise<ClusterKeys>>()
  return {
    keysOf: async (clusterId) => {
      const found = known.get(clusterId) ?? loadKeys(store, clusterId)
      known.set(clusterId, found)
      try {
        return await found
      } catch (error) {
        known.delete(clusterId)
        throw error
      }
    },
    forget: (clusterId) => {
      known.delete(clusterId)
    },
  }
}

async function loadKeys(store: Store, clusterId: string): Promise<ClusterKeys> {
  const pair = readClusterKeys(store, clusterId)
  if (pair === undefined) throw new ClusterNotFoundError(clusterId)
  return {
    signing: await importKey(pair.signing),
    enrolment: await importKey(pair.enrolment),
    signingPublic: publicPart(pair.signing),
    enrolmentPublic: publicPart(pair.enrolment),
  }
}
