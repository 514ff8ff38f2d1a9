import { DatabaseSync } from 'node:sqlite'

/** How long a runner waits for one that is just ending, in milliseconds. */
const patienceMs = 5000

/**
 * Makes sure that one runner at most serves a state directory. The lock is the kernel's (through SQLite, as Node has no
 * call for it), so it ends with its process however that ends; a lock file with a number in it would not.
 *
 * @returns null when another runner holds it, and goes on holding it.
 */
export function takeRunnerLock(path: string): Disposable | null {
  const database = new DatabaseSync(path, { timeout: patienceMs })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch {
    database.close()
    return null
  }
  return { [Symbol.dispose]: () => database.close() }
}
