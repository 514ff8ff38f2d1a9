import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { AgentNotRunningError, FileUnreadableError } from '../errors.ts'
import { Status } from './status.ts'

/** How long a running agent may take to answer, in milliseconds. */
const patienceMs = 5000

/**
 * Asks the agent that uses a state directory how it is.
 *
 * @throws {AgentNotRunningError} nobody answers there, or not as an agent would.
 * @throws {FileUnreadableError} the socket is another user's, so that nobody can tell.
 */
export async function askStatus(socketPath: string): Promise<Status> {
  const text = await ask(socketPath, '/status')
  try {
    return Status.parse(JSON.parse(text))
  } catch (cause) {
    throw notRunning(socketPath, 'what answers is no agent of this version', cause)
  }
}

/** The agent's metrics in Prometheus' text format. @throws as `askStatus` does. */
export async function askMetrics(socketPath: string): Promise<string> {
  return await ask(socketPath, '/metrics')
}

async function ask(socketPath: string, path: string): Promise<string> {
  try {
    return await get(socketPath, path)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    if (cause instanceof Error && 'code' in cause && cause.code === 'EACCES') {
      const message = `${socketPath} is for the agent’s user only; run this as root`
      throw new FileUnreadableError(message, { cause })
    }
    throw notRunning(socketPath, why, cause)
  }
}

async function get(socketPath: string, path: string): Promise<string> {
  const asked = request({ socketPath, path, agent: false })
  asked.setTimeout(patienceMs, () => asked.destroy(new Error('no answer in time')))
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>()
  asked.once('response', resolve)
  const failed = once(asked, 'close').then(() => Promise.reject(new Error('it hung up')))
  failed.catch(() => undefined)
  asked.end()
  const response = await Promise.race([promise, failed])
  if (response.statusCode !== 200) throw new Error(`it answered ${response.statusCode}`)
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
  return text
}

function notRunning(socketPath: string, why: string, cause: unknown): AgentNotRunningError {
  return new AgentNotRunningError(
    `no agent answers at ${socketPath} (${why}); start it, or name its state directory with --state-directory`,
    { cause },
  )
}
