import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { z } from 'zod'

/** What SQLite takes. Moments go in as milliseconds since 1970 (`toMs`). */
type Parameter = string | number | null | Uint8Array
type Parameters = Readonly<Record<string, Parameter>>

/** The tables, behind schemas: a row is parsed where it leaves the database. */
export interface Database {
  /** Runs a statement and tells how many rows it changed. */
  run: (sql: string, parameters?: Parameters) => number
  get: <T extends z.ZodType>(
    row: T,
    sql: string,
    parameters?: Parameters,
  ) => z.output<T> | undefined
  all: <T extends z.ZodType>(row: T, sql: string, parameters?: Parameters) => z.output<T>[]
  /** Runs several statements that take no parameters. */
  script: (sql: string) => void
  close: () => void
}

/**
 * Opens a database file for durable writes: a COMMIT returns once its pages are on the disk.
 * Integers beyond 2^53 do not occur; times are milliseconds.
 */
export function openDatabase(path: string): Database {
  const sqlite = new DatabaseSync(path, { timeout: 0 })
  sqlite.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
  `)
  const prepare = createStatementCache(sqlite)
  return {
    run: (sql, parameters = {}) => Number(prepare(sql).run(parameters).changes),
    get: (row, sql, parameters = {}) => {
      const found = prepare(sql).get(parameters)
      return found === undefined ? undefined : row.parse(found)
    },
    all: (row, sql, parameters = {}) =>
      prepare(sql)
        .all(parameters)
        .map((found) => row.parse(found)),
    script: (sql) => sqlite.exec(sql),
    close: () => sqlite.close(),
  }
}

/** Each text is prepared once; our statements are a fixed set, so the cache is bounded by the code. */
function createStatementCache(sqlite: DatabaseSync): (sql: string) => StatementSync {
  const statements = new Map<string, StatementSync>()
  return (sql) => {
    const known = statements.get(sql)
    if (known) return known
    const statement = sqlite.prepare(sql)
    statements.set(sql, statement)
    return statement
  }
}

/** A moment in a column: milliseconds since 1970. */
export const Moment = z.number().transform((ms) => new Date(ms))

/** Bytes in a column. */
export const Blob = z.instanceof(Uint8Array)

/** A flag in a column: 0 or 1. */
export const Flag = z.number().transform((value) => value !== 0)

/** How a moment goes into a column. */
export function toMs(moment: Date): number
export function toMs(moment: Date | null): number | null
export function toMs(moment: Date | null): number | null {
  return moment === null ? null : moment.getTime()
}
