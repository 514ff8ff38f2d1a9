import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { World } from '../protocol/world.ts'
import { StateLockedError, StoreUnusableError } from './errors.ts'
import { makeDirectories } from './make-directories.ts'

/**
 * Makes sure that one controller alone uses a state directory, until it is disposed of or the process ends, however it
 * ends: the lock is SQLite's on an empty database (fcntl), which the kernel takes back from the dead.
 *
 * @throws {StateLockedError} another controller uses the directory.
 * @throws {StoreUnusableError} the directory cannot be made or written.
 */
export async function lockState(stateDirectory: string): Promise<Disposable> {
  const path = await makeLockFile(stateDirectory)
  const lock = tryLock(path)
  if (lock) return lock
  throw new StateLockedError(
    `another controller uses ${stateDirectory}; stop it, wait for its end with --standby, or configure another stateDirectory`,
  )
}

/** How long a controller on standby rests between two looks, in milliseconds. */
const lookAgainMs = 200

/**
 * Waits until the state directory is free, then takes it: the second controller of a fail-over pair. The kernel frees the
 * lock of a dead process, so no clock and no heartbeat decides, and there is never a moment with two.
 *
 * @throws {StoreUnusableError} the directory cannot be made or written.
 * @throws the signal's reason, when it is aborted meanwhile.
 */
export async function awaitState(
  stateDirectory: string,
  world: World,
  signal: AbortSignal,
): Promise<Disposable> {
  const path = await makeLockFile(stateDirectory)
  while (true) {
    const lock = tryLock(path)
    if (lock) return lock
    await world.sleep(lookAgainMs, signal)
  }
}

async function makeLockFile(stateDirectory: string): Promise<string> {
  const path = join(stateDirectory, 'controller.lock')
  try {
    await makeDirectories(stateDirectory)
    await (await open(path, 'a', 0o600)).close()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new StoreUnusableError(
      `the state directory ${stateDirectory} cannot be used: ${why}; name another one by --state-directory`,
      { cause },
    )
  }
  return path
}

function tryLock(path: string): Disposable | undefined {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch {
    database.close()
    return undefined
  }
  return { [Symbol.dispose]: () => database.close() }
}
