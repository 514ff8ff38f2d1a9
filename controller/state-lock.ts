import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StateLockedError, StoreUnusableError } from './errors.ts'

/**
 * Makes sure that one controller alone uses a state directory, until it is disposed of or the process ends, however it
 * ends: the lock is SQLite's on an empty database (fcntl), which the kernel takes back from the dead.
 *
 * @throws {StateLockedError} another controller uses the directory.
 * @throws {StoreUnusableError} the directory cannot be made or written.
 */
export async function lockState(stateDirectory: string): Promise<Disposable> {
  const path = join(stateDirectory, 'controller.lock')
  try {
    await mkdir(stateDirectory, { recursive: true, mode: 0o700 })
    await (await open(path, 'a', 0o600)).close()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new StoreUnusableError(`the state directory ${stateDirectory} cannot be used: ${why}`, {
      cause,
    })
  }
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    throw new StateLockedError(
      `another controller uses ${stateDirectory}; stop it, or configure another stateDirectory`,
      { cause },
    )
  }
  return { [Symbol.dispose]: () => database.close() }
}
