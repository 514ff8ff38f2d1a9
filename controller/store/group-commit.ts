import { scheduleFlushes } from '../../protocol/flush-schedule.ts'
import type { World } from '../../protocol/world.ts'
import { StoreWriteError } from '../errors.ts'
import type { Database } from './database.ts'

/**
 * Runs a change in a transaction and resolves with its value once that is flushed to the disk. Changes that are asked
 * for in the same turn share one transaction, so that many concurrent requests cost one flush. A change that throws is
 * undone alone.
 *
 * @throws whatever the change throws.
 * @throws {StoreWriteError} the flush failed (a full disk): nothing of the change is kept.
 */
export type Write = <T>(change: () => T) => Promise<T>

/** How a change goes into the store, and how long one that need not hurry waits for company. */
export interface GroupCommit {
  write: Write
  /** The same, for a change that nobody waits for and that is only repeated when it is lost: it waits up to 50 ms for the flush of another. */
  writeSoon: Write
  /** Commits what still waits. */
  flush: () => void
}

/** Settles one waiting change; called with the error of the whole transaction, if it failed. */
interface Waiting {
  apply: () => void
  settle: (failure?: StoreWriteError) => void
}

/** Begins to collect changes for a database of which nobody else writes. */
export function createGroupCommit(database: Database, world: Pick<World, 'sleep'>): GroupCommit {
  let waiting: Waiting[] = []

  const flush = () => {
    const group = waiting
    waiting = []
    schedule.begun()
    if (group.length === 0) return
    const failure = commitTogether(database, group)
    for (const { settle } of group) settle(failure)
  }
  const schedule = scheduleFlushes(flush, world)

  const enter = <T>(change: () => T): Promise<T> => {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    let settle: (failure?: StoreWriteError) => void = reject
    const apply = () => {
      database.run('SAVEPOINT change')
      try {
        const value = change()
        settle = (failure) => (failure ? reject(failure) : resolve(value))
      } catch (error) {
        database.run('ROLLBACK TO change')
        settle = () => reject(error)
      }
      database.run('RELEASE change')
    }
    waiting.push({ apply, settle: (failure) => settle(failure) })
    return promise
  }

  return {
    flush,
    write: (change) => {
      schedule.now()
      return enter(change)
    },
    writeSoon: (change) => {
      schedule.soon()
      return enter(change)
    },
  }
}

function commitTogether(
  database: Database,
  group: readonly Waiting[],
): StoreWriteError | undefined {
  try {
    database.run('BEGIN IMMEDIATE')
    for (const { apply } of group) apply()
    database.run('COMMIT')
    return undefined
  } catch (cause) {
    rollBack(database)
    const why = cause instanceof Error ? cause.message : String(cause)
    return new StoreWriteError(
      `the store took nothing (${why}); make room on its disk, then retry`,
      {
        cause,
      },
    )
  }
}

function rollBack(database: Database): void {
  try {
    database.script('ROLLBACK')
  } catch {
    // SQLite has rolled back by itself, as it does when the disk is full.
  }
}
