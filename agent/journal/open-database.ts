import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { JournalUnusableError, StateLockedError } from '../errors.ts'
import { migrations } from './migrations.ts'

/**
 * Opens the journal's database and locks it until it is closed, or the process dies: SQLite's lock is the kernel's, so that
 * a killed agent leaves none behind. This lock is what keeps a second agent off the state directory.
 *
 * @throws {StateLockedError} another agent holds it.
 * @throws {JournalUnusableError} it is damaged, or of a newer version.
 */
export function openDatabase(path: string, { limitBytes }: { limitBytes: number }): DatabaseSync {
  const database = tryToOpen(path)
  try {
    prepare(database, limitBytes)
    checkPages(database)
    migrate(database, path)
    reserveLog(`${path}-wal`)
    return database
  } catch (error) {
    database.close()
    throw explainFailure(error, path)
  }
}

function tryToOpen(path: string): DatabaseSync {
  try {
    checkSize(path)
    // SQLite would make the file readable for others; its -wal takes the mode from it.
    closeSync(openSync(path, 'a', 0o600))
    return new DatabaseSync(path)
  } catch (error) {
    throw explainFailure(error, path)
  }
}

/**
 * SQLite takes the stump of a database for a new one (and we would take replays for new commands), and the missing end of
 * a last page for zeros. With a write-ahead log nothing can be said: pages may be there that the file does not have yet.
 *
 * @see https://www.sqlite.org/fileformat2.html section 1.3: the page size is at byte 16, the number of pages at byte 28
 */
function checkSize(path: string): void {
  const size = sizeOf(path)
  if (size === 0 || sizeOf(`${path}-wal`) > 0) return
  const header = Buffer.alloc(headerBytes)
  const file = openSync(path, 'r')
  try {
    readSync(file, header)
  } finally {
    closeSync(file)
  }
  const pageBytes = header.readUInt16BE(16)
  const wanted = Math.max(
    headerBytes,
    (pageBytes === 1 ? 65_536 : pageBytes) * header.readUInt32BE(28),
  )
  if (size < wanted) throw new Error(`it is cut off after ${size} of ${wanted} bytes`)
}

const headerBytes = 100

function prepare(database: DatabaseSync, limitBytes: number): void {
  database.exec('PRAGMA locking_mode = EXCLUSIVE')
  database.exec('PRAGMA auto_vacuum = INCREMENTAL')
  database.exec('PRAGMA journal_mode = WAL')
  // FULL: a commit has returned only when the disk has it. Acknowledging rests on this.
  database.exec('PRAGMA synchronous = FULL')
  database.exec('PRAGMA journal_size_limit = 8388608')
  const pageBytes = Number(database.prepare('PRAGMA page_size').get()?.['page_size'] ?? 4096)
  database.exec(`PRAGMA max_page_count = ${Math.ceil(limitBytes / pageBytes)}`)
  // A write takes the exclusive lock, which this locking mode then keeps.
  database.exec('BEGIN IMMEDIATE; COMMIT')
}

/**
 * A damaged page would show only when it is read, in the middle of work and as an error that nobody expects there. Reads
 * the whole file: a journal of two hundred thousand ids takes a few tenths of a second.
 */
function checkPages(database: DatabaseSync): void {
  const found = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
  if (found !== 'ok') throw new Error(`it is damaged (${String(found)})`)
}

function migrate(database: DatabaseSync, path: string): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
  if (version > migrations.length) {
    throw new JournalUnusableError(
      `the journal ${path} is of version ${version}, this agent knows up to ${migrations.length}; upgrade the agent`,
    )
  }
  for (const [index, step] of migrations.entries()) {
    if (index < version) continue
    database.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${index + 1}; COMMIT`)
  }
}

/** Some fifty changes; a start of the agent waits until the disk has it. In its work the log comes to 4 MiB, and keeps them. */
const reservedLogBytes = 2 ** 20

/**
 * Takes room for the write-ahead log before it is needed: on a disk that is full later, the journal still takes what is refused
 * for that. SQLite reads the log up to the first frame that is not of its own salt, and writes over what follows.
 *
 * @see https://www.sqlite.org/walformat.html section 4.4
 */
function reserveLog(path: string): void {
  const file = openSync(path, 'a', 0o600)
  try {
    writeSync(file, Buffer.alloc(Math.max(0, reservedLogBytes - sizeOf(path))))
  } catch {
    // The disk is full already.
  } finally {
    closeSync(file)
  }
}

function explainFailure(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof JournalUnusableError) return error
  if (isBusy(error)) {
    return new StateLockedError(
      `another agent uses ${path}; stop it, or give this one another stateDirectory`,
      { cause: error },
    )
  }
  return new JournalUnusableError(
    `cannot open the journal ${path}: ${error.message}; put it back from a backup, or enrol this instance anew`,
    { cause: error },
  )
}

/** @see https://www.sqlite.org/rescode.html SQLITE_BUSY (5) and its extended codes */
function isBusy(error: Error): boolean {
  return 'errcode' in error && typeof error.errcode === 'number' && (error.errcode & 0xff) === 5
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
