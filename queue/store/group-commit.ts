import type { DatabaseSync } from 'node:sqlite'

/** The database did not take a change (full, a failing disk). Nothing of it was kept; it may be tried again. */
export class StorageFailure extends Error {}

interface Batch {
  flushed: Promise<void>
  keep: () => void
  lose: (failure: StorageFailure) => void
}

/**
 * Many changes, one flush. A change is applied at once, inside a transaction that is committed when
 * the event loop has served every request that had arrived with it; whoever replies waits for
 * `flushed()` first. So the cost of a flush is shared by all who come while it is due, and a lone
 * request waits for nobody.
 *
 * A batch is *none* until a change opens it, then *open*, then kept (COMMIT) or lost (any failure
 * of the database: everybody in it gets a `StorageFailure`), and *none* again.
 */
export class GroupCommit {
  readonly #db: DatabaseSync
  readonly #sql
  #batch: Batch | undefined
  #commitCount = 0
  /** Runs in the open transaction just before its COMMIT; its changes share the flush. */
  beforeCommit: () => void = () => {}
  /** Tells that changes were undone, so that whatever was remembered about them is stale. */
  onUndo: () => void = () => {}

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#sql = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      rollback: db.prepare('ROLLBACK'),
      savepoint: db.prepare('SAVEPOINT change'),
      release: db.prepare('RELEASE change'),
      undo: db.prepare('ROLLBACK TO change'),
    }
  }

  /** Transactions flushed so far. */
  get commitCount(): number {
    return this.#commitCount
  }

  /**
   * Applies one change; if it throws, it alone is undone.
   *
   * @throws {StorageFailure} the database refused; or whatever `change` throws.
   */
  apply<T>(change: () => T): T {
    try {
      this.#batch ??= this.#begin()
      this.#sql.savepoint.run()
    } catch (error) {
      throw this.#lose(error)
    }
    try {
      const value = change()
      this.#sql.release.run()
      return value
    } catch (error) {
      this.#undo()
      throw isDatabaseError(error) ? new StorageFailure('a change failed', { cause: error }) : error
    }
  }

  /** Resolves when all that was applied or seen so far is on the disk; at once if it is already. */
  flushed(): Promise<void> {
    return this.#batch?.flushed ?? Promise.resolve()
  }

  /** Commits what is open now, without waiting for company. */
  commit(): void {
    const batch = this.#batch
    if (batch === undefined) return
    try {
      this.beforeCommit()
      if (this.#batch !== batch) return
      this.#sql.commit.run()
    } catch (error) {
      this.#lose(error)
      return
    }
    this.#batch = undefined
    this.#commitCount += 1
    batch.keep()
  }

  #begin(): Batch {
    this.#sql.begin.run()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // A batch that nobody waits for (housekeeping) may fail without a witness.
    promise.catch(() => {})
    const batch = { flushed: promise, keep: resolve, lose: reject }
    setImmediate(() => {
      if (this.#batch === batch) this.commit()
    })
    return batch
  }

  /** SQLite undoes the whole transaction by itself upon some errors; then every neighbour is lost too. */
  #undo(): void {
    this.onUndo()
    try {
      if (!this.#db.isTransaction) throw new Error('the transaction was rolled back')
      this.#sql.undo.run()
      this.#sql.release.run()
    } catch (error) {
      this.#lose(error)
    }
  }

  #lose(error: unknown): StorageFailure {
    const failure = new StorageFailure('the database did not take a change', { cause: error })
    const batch = this.#batch
    this.#batch = undefined
    this.onUndo()
    try {
      if (this.#db.isTransaction) this.#sql.rollback.run()
    } finally {
      batch?.lose(failure)
    }
    return failure
  }
}

function isDatabaseError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR'
}
