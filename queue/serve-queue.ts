import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIPv4 } from 'node:net'
import type { z } from 'zod'
import { ConfigInvalidError } from '../protocol/errors.ts'
import { describeWrongKeys, inPlainWords } from '../protocol/plain-words.ts'
import type { World } from '../protocol/world.ts'
import { digestSecret, type Gate } from './access/authorize-request.ts'
import { readOrMakeSecret } from './access/secret-file.ts'
import { answerRequest } from './http/answer-request.ts'
import type { ApiReply } from './http/api-reply.ts'
import type { QueueApi } from './http/api-request.ts'
import { listen } from './http/listen.ts'
import { sendReply } from './http/send-reply.ts'
import { stopServer } from './http/stop-server.ts'
import { QueueServiceOptions } from './queue-options.ts'
import { type QueueServiceLog, silentLog } from './queue-service-log.ts'
import { requestBodies } from './resources/request-bodies.ts'
import { keepHouse } from './store/keep-house.ts'
import { openStore } from './store/open-store.ts'
import { WaitingRoom } from './waiting/waiting-room.ts'

/** A queue service that is up. Disposing of it answers the waiting, finishes what runs, and closes the database. */
export interface QueueService extends AsyncDisposable {
  /** Where it listens, without a path: `http://127.0.0.1:8888`. */
  url: string
  /** The operator's token; undefined with `auth: 'none'`. */
  token: string | undefined
  /** How often it has flushed to the disk so far. */
  commitCount: () => number
}

/**
 * Opens a queue service: Zaqar's v2 API over one SQLite file.
 *
 * @throws {ConfigInvalidError} an option does not fit, or `auth: 'none'` beyond loopback.
 * @throws {DatabaseUnusableError | DatabaseInUseError | SecretFileUnsafeError} a file cannot be used.
 * @throws {PortTakenError | CannotListenError}
 */
export async function openQueueService(
  given: z.input<typeof QueueServiceOptions>,
  world: World,
  log: QueueServiceLog = silentLog,
): Promise<QueueService> {
  const options = parseOptions(given)
  checkReach(options, log)
  await using stack = new AsyncDisposableStack()
  const store = stack.use(openStore(options.database, options.limits, world))
  const { token, ...gate } = openGate(options, world)
  stack.use(keepHouse(store, world, log))
  const waiting = stack.use(new WaitingRoom<ApiReply>(store, world, options.limits.maxWaiting))
  const api: QueueApi = {
    store,
    waiting,
    limits: options.limits,
    bodies: requestBodies(options.limits),
    world,
    signingKey: gate.signingKey,
  }
  const { server, url } = await listen(options, (request, response) => {
    void answer(api, gate, log, request, response)
  })
  const answerWaiting = () => waiting[Symbol.dispose]()
  stack.defer(() => stopServer(server, answerWaiting, options.stopSeconds, world))
  const parts = stack.move()
  return {
    url,
    token,
    commitCount: store.commitCount,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

function parseOptions(given: z.input<typeof QueueServiceOptions>): QueueServiceOptions {
  const parsed = QueueServiceOptions.safeParse(given, { error: inPlainWords })
  if (parsed.success) return parsed.data
  throw new ConfigInvalidError(
    `the options of the queue service are not valid: ${describeWrongKeys(parsed.error)}`,
  )
}

/** Without a token everybody is an operator, so that is for this machine alone. */
function checkReach({ auth, host, tls }: QueueServiceOptions, log: QueueServiceLog): void {
  if (isLoopback(host)) return
  if (auth === 'none') {
    throw new ConfigInvalidError(
      `auth "none" lets everybody in and listens on loopback only, not on ${host}; use auth "token"`,
    )
  }
  if (tls === undefined) {
    log.warn(
      { host },
      'without TLS, signed URLs and tokens can be read on the way; give --tls-cert',
    )
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

/** The secrets lie beside the database, never in it: a copy of the database gives nobody access. */
function openGate(
  options: QueueServiceOptions,
  world: World,
): Gate & { token: string | undefined } {
  const signingKey = readOrMakeSecret(`${options.database}.key`, world)
  if (options.auth === 'none') {
    return { token: undefined, tokenDigest: undefined, signingKey, world }
  }
  const tokenFile = options.tokenFile ?? `${options.database}.token`
  const token = readOrMakeSecret(tokenFile, world)
  return { token, tokenDigest: digestSecret(token), signingKey, world }
}

async function answer(
  api: QueueApi,
  gate: Gate,
  log: QueueServiceLog,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const reply = await answerRequest(api, gate, log, request, response)
  if (reply === undefined) response.destroy()
  else sendReply(request, response, reply, { world: api.world, isLast: api.waiting.isClosed })
}
