import { createConnection } from 'node:net'
import { AgentNotRunningError } from '../errors.ts'
import { Status } from './status.ts'

/** How long a running agent may take to answer, in milliseconds. */
const patienceMs = 5000

/**
 * Asks the agent that uses a state directory how it is.
 *
 * @throws {AgentNotRunningError} nobody answers there, or not as an agent would.
 */
export async function askStatus(socketPath: string): Promise<Status> {
  const text = await readAll(socketPath).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw notRunning(socketPath, why, cause)
  })
  try {
    return Status.parse(JSON.parse(text))
  } catch (cause) {
    throw notRunning(socketPath, 'what answers is no agent of this version', cause)
  }
}

async function readAll(socketPath: string): Promise<string> {
  const socket = createConnection(socketPath)
  socket.setTimeout(patienceMs, () => socket.destroy(new Error('no answer in time')))
  let text = ''
  for await (const chunk of socket.setEncoding('utf8')) text += String(chunk)
  return text
}

function notRunning(socketPath: string, why: string, cause: unknown): AgentNotRunningError {
  return new AgentNotRunningError(
    `no agent answers at ${socketPath} (${why}); start it, or name its state directory with --state-directory`,
    { cause },
  )
}
