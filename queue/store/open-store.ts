import type { World } from '../../protocol/world.ts'
import type { QueueLimits } from '../queue-options.ts'
import { openClaimTable } from './claims.ts'
import { DueTimes } from './due-times.ts'
import { GroupCommit } from './group-commit.ts'
import { MessageIds } from './message-ids.ts'
import { openMessageTable } from './messages.ts'
import { openDatabase } from './open-database.ts'
import { openQueueTable, type QueueName } from './queues.ts'
import { openReleaseDue } from './release-due.ts'
import { openStats } from './stats.ts'
import { openSweepEnded } from './sweep-ended.ts'

export type Store = ReturnType<typeof openStore>

/** Ended messages that one change removes besides its own work. */
const sweepWithChange = 16

/**
 * The queues, messages and claims of one database file.
 *
 * `look` and `change` run at once; what they saw or did is on the disk when `flushed()` has resolved,
 * and only then may anyone be told.
 */
export function openStore(file: string, limits: QueueLimits, world: World) {
  const database = openDatabase(file, limits.maxDatabaseBytes)
  const { db } = database
  const commits = new GroupCommit(db)
  const due = new DueTimes(db)
  const ids = new MessageIds(db, world)
  commits.onUndo = () => {
    due.forget()
    ids.forgetReservation()
    queues.forgetKnown()
  }
  const freedQueues = new Set<number>()
  const freed = (queue: number) => void freedQueues.add(queue)
  const queues = openQueueTable(db, limits)
  const messages = openMessageTable(db, ids, due)
  const claims = openClaimTable(db, { messages, queues }, due, freed)
  const releaseDue = openReleaseDue(db, claims, due, freed)
  const sweepEnded = openSweepEnded(db, due)
  const healthCheck = db.prepare(`INSERT INTO settings VALUES ('health-checked', ?)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value`)

  const keepTime = (): number => {
    const now = world.now().getTime()
    if (now >= due.nextRelease) commits.apply(() => releaseDue(now))
    return now
  }

  return {
    queues,
    messages,
    claims,
    stats: openStats(db),
    due,
    freed,
    flushed: () => commits.flushed(),
    commitCount: () => commits.commitCount,
    /** Reads, with every claim and delay that ended by `now` out of the way. */
    look: <T>(read: (now: number) => T): T => read(keepTime()),
    /** Changes; if it throws, it alone is undone. */
    change: <T>(write: (now: number) => T): T => {
      const now = keepTime()
      if (now >= due.nextEnd) commits.apply(() => sweepEnded(now, sweepWithChange))
      return commits.apply(() => write(now))
    },
    /** Removes up to `limit` rows that nobody sees any more; true when there may be more. */
    sweep: (limit: number): boolean => {
      const now = keepTime()
      return commits.apply(() => sweepEnded(now, limit))
    },
    /** A change that only shows that changes are taken; call it within `change`. */
    noteHealthCheck: (): void => {
      healthCheck.run(world.now().toISOString())
    },
    /** Lets `act` change more in the same flush, before each one. */
    beforeCommit: (act: () => void): void => {
      commits.beforeCommit = act
    },
    /** The queues that got free messages since the last call, by name. */
    takeFreed: (): QueueName[] => {
      const names = [...freedQueues].map((key) => queues.nameOf(key))
      freedQueues.clear()
      return names.filter((name) => name !== undefined)
    },
    hasFreed: (): boolean => freedQueues.size > 0,
    [Symbol.dispose]: () => {
      commits.commit()
      database[Symbol.dispose]()
    },
  }
}
