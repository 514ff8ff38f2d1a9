import type { KeystoneSession } from '../../protocol/keystone/keystone-session.ts'
import type { World } from '../../protocol/world.ts'
import { UnauthorizedError } from '../../protocol/zaqar/errors.ts'
import { openZaqarSocket } from '../../protocol/zaqar/zaqar-socket.ts'
import { RefusedTokenError, type ReplyListenerOptions } from './reply-listener.ts'

export type OpenAnnouncements = ReplyListenerOptions['open']

/**
 * Opens sockets on Zaqar's WebSocket, found in the catalogue unless `websocketUrl` names it.
 *
 * @throws when called: {KeystoneError} no token, or no such service in the catalogue; {ZaqarError}
 */
export function openAnnouncements(
  {
    session,
    projectId,
    clientId,
    websocketUrl,
    trusted,
  }: {
    session: KeystoneSession
    projectId: string
    clientId: string
    websocketUrl: string | undefined
    /** PEM certificates, all that are to be trusted; the system's when absent. */
    trusted: readonly string[] | undefined
  },
  world: World,
): OpenAnnouncements {
  return async (onAnnounced, refusedToken, signal) => {
    const url = websocketUrl ?? (await session.findEndpoint('messaging-websocket', { signal }))
    const token = await session.getToken(refusedToken, signal)
    const options = { url, clientId, projectId, token, onAnnounced, trusted }
    try {
      return { socket: await openZaqarSocket(options, world, signal), token }
    } catch (error) {
      throw error instanceof UnauthorizedError ? new RefusedTokenError(token, error) : error
    }
  }
}
