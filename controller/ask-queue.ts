import { SaharaAgentError } from '../protocol/errors.ts'
import { ZaqarError } from '../protocol/zaqar/errors.ts'
import type { Context } from './context.ts'

/** Why the queue service is of no use to us now. */
export interface QueueProblem {
  /** It answers, and says no: somebody must correct something. Else no answer came, which may pass. */
  refused: boolean
  code: string
  /** What is wrong, and what to do. */
  message: string
}

/** How long the queue service may take to say that it is there, in milliseconds. */
const askLimitMs = 2000

/** Asks the queue service whether it works, with our own credentials. Never rejects. @returns null when it does. */
export async function askQueue(
  context: Pick<Context, 'advertised' | 'config' | 'queue' | 'world'>,
  signal: AbortSignal,
): Promise<QueueProblem | null> {
  const limit = new AbortController()
  const giveUp = () => limit.abort()
  signal.addEventListener('abort', giveUp, { once: true })
  context.world.sleep(askLimitMs, limit.signal).then(giveUp, () => undefined)
  try {
    await context.queue.ping({ signal: limit.signal })
    return null
  } catch (error) {
    return explainQueueProblem(error, context)
  } finally {
    limit.abort()
    signal.removeEventListener('abort', giveUp)
  }
}

function explainQueueProblem(
  error: unknown,
  { advertised, config }: Pick<Context, 'advertised' | 'config'>,
): QueueProblem {
  const where = `the queue service at ${config.queue.url ?? advertised.url}`
  if (!(error instanceof SaharaAgentError)) {
    const message = `${where} did not answer within ${askLimitMs / 1000} seconds`
    return { refused: false, code: 'ERR_QUEUE_UNREACHABLE', message }
  }
  const { code } = error
  const status = error instanceof ZaqarError ? error.status : undefined
  const refusal = explainStatus(status, config.queue.auth)
  if (refusal !== undefined) return { refused: true, code, message: `${where} ${refusal}` }
  return { refused: false, code, message: error.message }
}

const whatToCorrect = {
  token: 'put one that is valid into the file of `queue.tokenFile` (--queue-token-file)',
  keystone: 'check the Keystone user, and that the service asks the same Keystone',
  none: 'set `queue.auth` and `queue.tokenFile`',
}

function explainStatus(
  status: number | undefined,
  auth: keyof typeof whatToCorrect,
): string | undefined {
  if (status === 401) {
    const what = auth === 'none' ? 'requests without a token' : 'our token'
    return `does not accept ${what} (401); ${whatToCorrect[auth]}`
  }
  if (status === 403) return 'does not let us in (403); give our user a role in the project'
  if (status === 404) {
    return 'has no queue API at that address (404); write `queue.url` (--queue-url) without /v2, and name no other service'
  }
  return undefined
}
