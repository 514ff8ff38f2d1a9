import { z } from 'zod'
import { PrivateKey } from '../../protocol/sealing/keys.ts'
import { Blob, Moment, toMs } from './database.ts'
import type { Store } from './open-store.ts'

/** A cluster that was not deleted. */
export interface Cluster {
  id: string
  name: string
  createdAt: Date
  returnQueue: string
  lobbyQueue: string
}

/** A cluster's private keys: one signs commands and welcomes, to the other hellos are sealed. */
export const ClusterKeyPair = z.object({ signing: PrivateKey, enrolment: PrivateKey })
export type ClusterKeyPair = z.output<typeof ClusterKeyPair>

const ClusterRow = z
  .object({
    id: z.string(),
    name: z.string(),
    created_at: Moment,
    return_queue: z.string(),
    lobby_queue: z.string(),
  })
  .transform(
    (row): Cluster => ({
      id: row.id,
      name: row.name,
      createdAt: row.created_at,
      returnQueue: row.return_queue,
      lobbyQueue: row.lobby_queue,
    }),
  )

const columns = 'id, name, created_at, return_queue, lobby_queue'

/** By name or by id. */
export function findCluster({ database }: Store, nameOrId: string): Cluster | undefined {
  return database.get(
    ClusterRow,
    `SELECT ${columns} FROM clusters WHERE (id = :key OR name = :key) AND deleted_at IS NULL
     ORDER BY id = :key DESC`,
    { key: nameOrId },
  )
}

/** All, by name. */
export function listClusters({ database }: Store): Cluster[] {
  return database.all(
    ClusterRow,
    `SELECT ${columns} FROM clusters WHERE deleted_at IS NULL ORDER BY name`,
  )
}

/** Call it inside `write`. */
export function insertCluster({ database, key }: Store, cluster: Cluster, keys: ClusterKeyPair) {
  const text = new TextEncoder().encode(JSON.stringify(keys))
  database.run(
    `INSERT INTO clusters (id, name, created_at, return_queue, lobby_queue, sealed_keys)
     VALUES (:id, :name, :createdAt, :returnQueue, :lobbyQueue, :sealedKeys)`,
    {
      ...cluster,
      createdAt: toMs(cluster.createdAt),
      sealedKeys: key.seal(text, keysPlace(cluster.id)),
    },
  )
}

/** Keeps the name for old commands, and nothing secret. Call it inside `write`. */
export function markClusterDeleted({ database }: Store, id: string, now: Date): void {
  database.run(`UPDATE clusters SET deleted_at = :now, sealed_keys = NULL WHERE id = :id`, {
    id,
    now: toMs(now),
  })
  database.run(`DELETE FROM enrolment_secrets WHERE cluster_id = :id`, { id })
}

/** @throws {StoreUnusableError} */
export function readClusterKeys({ database, key }: Store, id: string): ClusterKeyPair | undefined {
  const row = database.get(KeysRow, `SELECT sealed_keys FROM clusters WHERE id = :id`, { id })
  if (!row?.sealed_keys) return undefined
  const text = new TextDecoder().decode(key.open(row.sealed_keys, keysPlace(id)))
  return ClusterKeyPair.parse(JSON.parse(text))
}

const KeysRow = z.object({ sealed_keys: Blob.nullable() })

function keysPlace(id: string): string {
  return `clusters.sealed_keys:${id}`
}
