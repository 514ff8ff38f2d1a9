import { once } from 'node:events'
import { createConnection } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import type { World } from '../../protocol/world.ts'

/** How long a runner waits for one that is just ending, in milliseconds, and how often it looks. */
const patienceMs = 5000
const lookAgainMs = 20

/**
 * Makes sure that one runner at most serves a state directory. The lock is the kernel's (through SQLite, as Node has no
 * call for it), so it ends with its process however that ends; a lock file with a number in it would not.
 *
 * @returns null when another runner holds it: it answers at `socketPath`, or does not go away.
 */
export async function takeRunnerLock(
  path: string,
  socketPath: string,
  world: World,
): Promise<Disposable | null> {
  const database = new DatabaseSync(path)
  const giveUpAt = world.monotonicMs() + patienceMs
  for (;;) {
    try {
      database.exec('BEGIN EXCLUSIVE')
      return { [Symbol.dispose]: () => database.close() }
    } catch {
      const isServed = await answers(socketPath)
      if (isServed || world.monotonicMs() > giveUpAt) break
      await world.sleep(lookAgainMs)
    }
  }
  database.close()
  return null
}

async function answers(socketPath: string): Promise<boolean> {
  const socket = createConnection(socketPath)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
