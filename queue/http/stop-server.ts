import { once } from 'node:events'
import type { Server } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { World } from '../../protocol/world.ts'

/**
 * Takes no more connections, answers those who wait, lets running requests finish for a while, then cuts them off.
 *
 * @param answerWaiting answers every request that is held, at once.
 */
export async function stopServer(
  server: Server,
  answerWaiting: () => void,
  stopSeconds: number,
  world: World,
): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  answerWaiting()
  // A reply that was under way just now leaves its connection open and idle.
  await nextTurn()
  await nextTurn()
  server.closeIdleConnections()
  const enough = new AbortController()
  const cut = world.sleep(stopSeconds * 1000, enough.signal).then(
    () => server.closeAllConnections(),
    () => {},
  )
  await closed
  enough.abort()
  await cut
}
