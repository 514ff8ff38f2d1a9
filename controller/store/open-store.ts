import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { World } from '../../protocol/world.ts'
import { StoreUnusableError } from '../errors.ts'
import { Blob, type Database, openDatabase } from './database.ts'
import { createGroupCommit, type GroupCommit } from './group-commit.ts'
import { migrate } from './migrations.ts'
import { createStoreKey, type StoreKey } from './store-key.ts'

/** What the controller must not forget: clusters, instances, commands, output. One process has it open at a time. Disposing of it flushes what was asked for, then closes. */
export interface Store extends Disposable, Pick<GroupCommit, 'write' | 'writeSoon'> {
  /** Read from it freely; change it only inside `write` and `writeSoon`. */
  database: Database
  key: StoreKey
}

/**
 * Opens the store in a state directory, and makes it at the first time: `controller.db`, and `store.key` beside it
 * (mode 0600), under which all secrets in it are sealed.
 *
 * @throws {StoreUnusableError} the key is missing or does not fit, or the store is of a newer version.
 */
export async function openStore(
  stateDirectory: string,
  world: Pick<World, 'randomBytes' | 'sleep'>,
): Promise<Store> {
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 })
  // Made empty with its mode before SQLite opens it, which copies the mode to its write-ahead log.
  await (await open(join(stateDirectory, 'controller.db'), 'a', 0o600)).close()
  const database = openDatabase(join(stateDirectory, 'controller.db'))
  try {
    const isNew = migrate(database)
    const key = await openKey(join(stateDirectory, 'store.key'), database, isNew, world)
    const { write, writeSoon, flush } = createGroupCommit(database, world)
    const close = () => {
      flush()
      database.close()
    }
    return { database, write, writeSoon, key, [Symbol.dispose]: close }
  } catch (error) {
    database.close()
    throw error
  }
}

const checkText = new TextEncoder().encode('sahara-controller')
const checkPlace = 'meta:key-check'

/** A sealed known text proves that key and database belong together, before anything is read or written with it. */
async function openKey(
  path: string,
  database: Database,
  isNew: boolean,
  world: Pick<World, 'randomBytes'>,
): Promise<StoreKey> {
  const check = database.get(MetaRow, `SELECT value FROM meta WHERE name = 'key-check'`)
  if (isNew || check === undefined) await makeKeyFile(path, world)
  const key = createStoreKey(await readKeyFile(path), world)
  if (check !== undefined) key.open(check.value, checkPlace)
  else {
    database.run(`INSERT INTO meta (name, value) VALUES ('key-check', :value)`, {
      value: key.seal(checkText, checkPlace),
    })
  }
  return key
}

const MetaRow = z.object({ value: Blob })

/** A whole key that is there is kept: the program may have died between making it and using it. */
async function makeKeyFile(path: string, world: Pick<World, 'randomBytes'>): Promise<void> {
  if (await readKeyFile(path).catch(() => undefined)) return
  const draft = `${path}.new`
  await rm(draft, { force: true })
  {
    await using file = await open(draft, 'wx', 0o600)
    await file.writeFile(Buffer.from(world.randomBytes(32)).toString('hex'))
    await file.sync()
  }
  await rename(draft, path)
}

async function readKeyFile(path: string): Promise<Uint8Array> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new StoreUnusableError(`cannot read ${path}; put it back from the store's backup`, {
      cause,
    })
  })
  if (!/^[0-9a-f]{64}$/.test(text.trim())) {
    throw new StoreUnusableError(`${path} is no store key; put it back from the store's backup`)
  }
  return Buffer.from(text.trim(), 'hex')
}
