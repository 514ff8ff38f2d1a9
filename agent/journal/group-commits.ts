import type { DatabaseSync } from 'node:sqlite'
import { scheduleFlushes } from '../../protocol/flush-schedule.ts'
import type { World } from '../../protocol/world.ts'
import { JournalWriteError } from '../errors.ts'

/** Writes to the journal; those of the same moment share one transaction, and so one flush. */
export interface CommitGroup {
  /**
   * Runs `change` in the next transaction; resolves when the disk has it.
   *
   * @throws {JournalWriteError} nothing of this change was kept.
   */
  write: (change: () => void) => Promise<void>
  /** The same, for a change that is only repeated when it is lost: it waits up to 50 ms for the flush of another. */
  writeSoon: (change: () => void) => Promise<void>
  /** Commits what still waits. */
  flush: () => void
}

interface Waiting {
  change: () => void
  resolve: () => void
  reject: (error: Error) => void
}

/** @param before runs at the beginning of each transaction: for what may wait for the next one. */
export function groupCommits(
  database: DatabaseSync,
  before: () => void,
  world: Pick<World, 'sleep'>,
): CommitGroup {
  const begin = database.prepare('BEGIN IMMEDIATE')
  const end = database.prepare('COMMIT')
  let waiting: Waiting[] = []

  const flush = () => {
    const group = waiting
    waiting = []
    schedule.begun()
    if (group.length === 0) return
    const error = commit(group)
    if (error === undefined) {
      for (const { resolve } of group) resolve()
    } else if (group.length === 1) {
      for (const { reject } of group) reject(error)
    } else {
      // One that cannot be written must not take the others with it.
      for (const one of group) settle(one)
    }
  }
  const schedule = scheduleFlushes(flush, world)
  const settle = (one: Waiting) => {
    const error = commit([one])
    if (error === undefined) one.resolve()
    else one.reject(error)
  }
  const commit = (group: readonly Waiting[]): JournalWriteError | undefined => {
    try {
      begin.run()
      before()
      for (const { change } of group) change()
      end.run()
      return undefined
    } catch (cause) {
      if (database.isOpen && database.isTransaction) database.exec('ROLLBACK')
      const why = cause instanceof Error ? cause.message : String(cause)
      return new JournalWriteError(`the journal took no change: ${why}; make room on its disk`, {
        cause,
      })
    }
  }

  const enter = (change: () => void): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    waiting.push({ change, resolve, reject })
    return promise
  }

  return {
    flush,
    write: async (change) => {
      schedule.now()
      await enter(change)
    },
    writeSoon: async (change) => {
      schedule.soon()
      await enter(change)
    },
  }
}
