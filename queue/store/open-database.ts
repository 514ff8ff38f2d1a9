import { closeSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DatabaseInUseError, DatabaseUnusableError } from '../errors.ts'
import { migrations } from './migrations.ts'

export interface OpenDatabase extends Disposable {
  db: DatabaseSync
}

/**
 * Opens the database file for this process alone, brings its schema up to date, and makes every COMMIT a flush.
 *
 * @throws {DatabaseInUseError} another service holds it.
 * @throws {DatabaseUnusableError} it cannot be read or written, or a newer version wrote it.
 */
export function openDatabase(file: string, maxBytes: number): OpenDatabase {
  const path = resolve(file)
  makeOnlyOurs(path)
  makeOnlyOurs(`${path}.lock`)
  const lock = lockDatabase(path)
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path)
    setPragmas(db, maxBytes)
    migrate(db, path)
  } catch (error) {
    db?.close()
    lock.close()
    throw explain(error, path)
  }
  const opened = db
  return {
    db: opened,
    [Symbol.dispose]: () => {
      opened.close()
      lock.close()
    },
  }
}

/** SQLite would make the file readable for all; its journal files take over the mode of the database. */
function makeOnlyOurs(path: string): void {
  try {
    closeSync(openSync(path, 'a', 0o600))
  } catch (error) {
    throw explain(error, path)
  }
}

/**
 * A lock in a file of its own, which the kernel drops when the process dies. The database itself
 * stays open to readers, so that an operator can look into it while the service runs.
 */
function lockDatabase(path: string): DatabaseSync {
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(`${path}.lock`)
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock?.close()
    if (error instanceof Error && error.message.includes('locked')) {
      throw new DatabaseInUseError(path, { cause: error })
    }
    throw explain(error, path)
  }
}

function setPragmas(db: DatabaseSync, maxBytes: number): void {
  // FULL: in WAL mode each COMMIT flushes the log; what was acknowledged survives a power cut.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
  // 16 MB of log between checkpoints: pages that change often are copied back once for many commits.
  db.exec('PRAGMA wal_autocheckpoint = 4000')
  // Savepoints keep their undo pages in memory; they never outlive a transaction.
  db.exec('PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA busy_timeout = 2000;')
  const pageBytes = Number(db.prepare('PRAGMA page_size').get()?.['page_size'])
  db.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / pageBytes)}`)
}

function migrate(db: DatabaseSync, path: string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version > migrations.length) {
    throw new DatabaseUnusableError(
      `${path} is of schema version ${version}, this program knows up to ${migrations.length}; use a newer sahara-queue`,
    )
  }
  for (const [step, sql] of migrations.entries()) {
    if (step < version) continue
    db.exec(`BEGIN IMMEDIATE; ${sql} PRAGMA user_version = ${step + 1}; COMMIT;`)
  }
}

function explain(error: unknown, path: string): Error {
  if (error instanceof DatabaseUnusableError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new DatabaseUnusableError(
    `cannot open the database ${path}: ${reason}; check the path, its permissions and the file`,
    { cause: error },
  )
}
