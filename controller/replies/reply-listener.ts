import type { Logger } from 'pino'
import { abortable } from '../../protocol/abortable.ts'
import type { World } from '../../protocol/world.ts'
import { UnauthorizedError } from '../../protocol/zaqar/errors.ts'
import { backoffDelayMs } from '../../protocol/zaqar/retry.ts'
import type { ZaqarSocket } from '../../protocol/zaqar/zaqar-socket.ts'

/**
 * Hears by WebSocket that something may have arrived on a queue. What it hears is a wake-up only: whoever is woken claims,
 * and polls slowly besides, since an announcement can be lost.
 */
export interface ReplyListener extends AsyncDisposable {
  watch: (queue: string) => void
  unwatch: (queue: string) => void
  /** Whether arrivals on the queue are announced at present. */
  isAnnounced: (queue: string) => boolean
}

export interface ReplyListenerOptions {
  /** Opens an authenticated socket, with another token than `refusedToken`. */
  open: (
    onAnnounced: (queue: string) => void,
    refusedToken: string | undefined,
    signal: AbortSignal,
  ) => Promise<{ socket: ZaqarSocket; token: string }>
  /** Something may have arrived, or announcements have begun or ended. */
  wake: (queue: string) => void
}

/**
 * Subscriptions end by themselves after this, in seconds: those of a service that was killed do not remain for ever.
 * The socket is opened anew at half of it.
 */
const subscriptionTtlSeconds = 3600

/** How long a silent connection may be dead before we notice, in milliseconds. */
const pingEveryMs = 30_000

/** The longest pause between two attempts to connect, in milliseconds. */
const backoffCapMs = 60_000

/**
 * States: connecting -> subscribing -> listening, and back to connecting whenever the socket ends, a ping fails, the token's
 * time is over, or half of the subscriptions' life has passed. Everything watched is woken when its announcements
 * begin (what came before is not announced) and when they end (the slow polling is no longer enough).
 */
export function startReplyListener(
  { open, wake }: ReplyListenerOptions,
  world: World,
  log: Logger,
): ReplyListener {
  const watched = new Set<string>()
  const announced = new Set<string>()
  const stop = new AbortController()
  let changed = Promise.withResolvers<void>()

  async function listen(refusedToken: string | undefined): Promise<string | undefined> {
    const { socket, token } = await open(wake, refusedToken, stop.signal)
    await using _closing = socket
    const life = new AbortController()
    const end = (reason: unknown) => life.abort(reason)
    const onStop = () => end(stop.signal.reason)
    stop.signal.addEventListener('abort', onStop, { once: true })
    const lifeMs = subscriptionTtlSeconds * 500 * (0.8 + 0.2 * world.random())
    try {
      const ended = socket.closed.then(({ authenticationEnded }) => {
        end(new Error('the socket was closed'))
        return authenticationEnded
      })
      world
        .sleep(lifeMs, life.signal)
        .then(() => end(new Error('it is time to subscribe anew')), noop)
      pingForever(socket, life.signal, world).catch(end)
      await subscribeForever(socket, life.signal).catch(end)
      await socket[Symbol.asyncDispose]()
      if (life.signal.reason) log.debug({ why: String(life.signal.reason) }, 'announcements ended')
      return (await ended) ? token : undefined
    } finally {
      end(new Error('over'))
      stop.signal.removeEventListener('abort', onStop)
      const lost = [...announced]
      announced.clear()
      for (const queue of lost) wake(queue)
    }
  }

  async function subscribeForever(socket: ZaqarSocket, signal: AbortSignal): Promise<never> {
    while (true) {
      changed = Promise.withResolvers<void>()
      for (const queue of watched) {
        if (announced.has(queue)) continue
        await socket.subscribe(queue, subscriptionTtlSeconds, signal)
        if (!watched.has(queue)) continue
        announced.add(queue)
        wake(queue)
      }
      await abortable(changed.promise, signal)
    }
  }

  async function run(): Promise<void> {
    let failures = 0
    let refusedToken: string | undefined
    // A cloud without a WebSocket is one line in the log, not one a minute.
    let lastProblem: string | undefined
    while (!stop.signal.aborted) {
      const beganAtMs = world.monotonicMs()
      try {
        refusedToken = await listen(refusedToken)
      } catch (error) {
        if (stop.signal.aborted) return
        refusedToken = error instanceof RefusedTokenError ? error.token : undefined
        const problem = String(error)
        const level = problem === lastProblem ? 'debug' : 'warn'
        lastProblem = problem
        log[level]({ err: error }, 'replies are not announced; polling for them meanwhile')
      }
      // One that lasted was no failure; the cause of its end (a restart, most often) concerns everybody at once.
      failures = world.monotonicMs() - beganAtMs > backoffCapMs ? 1 : failures + 1
      const delayMs = backoffDelayMs(failures, world.random, { baseMs: 500, capMs: backoffCapMs })
      await world.sleep(delayMs, stop.signal).catch(noop)
    }
  }
  const running = run()

  return {
    watch: (queue) => {
      watched.add(queue)
      changed.resolve()
    },
    unwatch: (queue) => {
      watched.delete(queue)
      // The service still announces it until the socket is opened anew, and nobody is woken by that.
      announced.delete(queue)
    },
    isAnnounced: (queue) => announced.has(queue),
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('the listener stops'))
      await running
    },
  }
}

/** The service refused this token; the next attempt brings another. */
export class RefusedTokenError extends UnauthorizedError {
  readonly token: string

  constructor(token: string, cause: UnauthorizedError) {
    super(cause.action, 'its token was refused', { cause, status: cause.status })
    this.token = token
  }
}

/** Zaqar sends no pings of its own, and a connection that a firewall has forgotten looks like a quiet one. */
async function pingForever(
  socket: ZaqarSocket,
  signal: AbortSignal,
  world: Pick<World, 'sleep'>,
): Promise<never> {
  while (true) {
    await world.sleep(pingEveryMs, signal)
    await socket.ping(signal)
  }
}

function noop(): void {}
