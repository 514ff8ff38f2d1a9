import { once } from 'node:events'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import type { World } from '../../protocol/world.ts'
import { endHungRunner, untilHung } from './hung-runner.ts'
import { type LineChannel, openLineChannel } from './line-channel.ts'
import { lineLimitBytes, RunnerMessage, RunnerRequest } from './runner-protocol.ts'
import { RunnerOutdatedError, RunnerUnreachableError, startRunner } from './start-runner.ts'

type WithoutSerial<T> = T extends unknown ? Omit<T, 'serial'> : never
type Question = WithoutSerial<RunnerRequest>

/**
 * The one connection to the runner: made when it is needed, and again when it breaks. Every question may be repeated. A runner
 * whose event loop answers nothing for three minutes, not even a ping, is killed, and the connection given up.
 */
export interface RunnerConnection {
  /**
   * Asks, and starts a runner if there is none.
   *
   * @throws {RunnerUnreachableError} no runner can be started, or none stays. One that broke off may have understood.
   * @throws {RunnerOutdatedError} the runner does not know what is asked, and did nothing.
   */
  ask: (question: Question) => Promise<RunnerMessage>
  /** Asks the runner that is there; null when there is none, or none that answers this. */
  askIfThere: (question: Question) => Promise<RunnerMessage | null>
  close: () => Promise<void>
}

interface ConnectionOptions {
  stateDirectory: string
  idleMs: number
  /** The agent's. */
  version: string
  /** All that the runner says; unasked words among them. */
  onMessage: (message: RunnerMessage) => void
  /** The connection is gone: whoever waits for unasked words has to ask again. */
  onClosed: () => void
}

/** A runner that may be ending just now is replaced this often before the attempt is given up. */
const attempts = 5
/** A question that breaks this many connections is not asked again: it may be what breaks them. */
const mostBreaks = 5
/** The pause after the first broken connection, in milliseconds; it doubles with each. */
const firstPauseMs = 100

export function createRunnerConnection(options: ConnectionOptions, world: World): RunnerConnection {
  const socketPath = join(options.stateDirectory, 'runner.sock')
  const waiting = new Map<number, (message: RunnerMessage | null) => void>()
  let lastSerial = 0
  let channel: LineChannel | undefined
  let connecting: Promise<LineChannel | null> | undefined
  let starting: Promise<void> | undefined
  const closing = new AbortController()

  const hear = (json: unknown) => {
    const message = RunnerMessage.parse(json)
    if ('serial' in message) waiting.get(message.serial)?.(message)
    options.onMessage(message)
  }

  const forget = async (opened: LineChannel) => {
    await opened.closed
    channel = undefined
    for (const resolve of waiting.values()) resolve(null)
    if (!closing.signal.aborted) options.onClosed()
  }

  const connect = async (): Promise<LineChannel | null> => {
    const socket = createConnection(socketPath)
    try {
      await once(socket, 'connect')
    } catch {
      return null
    } finally {
      connecting = undefined
    }
    let hasSpoken = true
    const opened = openLineChannel(socket, lineLimitBytes, (json) => {
      hasSpoken = true
      hear(json)
    })
    channel = opened
    say(opened, { kind: 'hello', version: options.version })
    void forget(opened)
    const look = () => {
      const seen = { hasSpoken }
      hasSpoken = false
      say(opened, { kind: 'ping' })
      return seen
    }
    watchOver(opened, look).catch(() => {})
    return opened
  }

  /** Whether it is answered does not matter here. */
  const say = (opened: LineChannel, question: Question) => {
    lastSerial += 1
    opened.send(z.encode(RunnerRequest, { ...question, serial: lastSerial }))
  }

  const watchOver = async (
    opened: LineChannel,
    look: Parameters<typeof untilHung>[0],
  ): Promise<void> => {
    const gone = new AbortController()
    void opened.closed.then(() => gone.abort())
    await untilHung(look, world, gone.signal)
    await endHungRunner(options.stateDirectory, world)
    opened.close()
  }

  const start = async () => {
    const { stateDirectory, idleMs, version } = options
    starting ??= startRunner(stateDirectory, idleMs, version, world).finally(() => {
      starting = undefined
    })
    await starting
  }

  /** Null when the connection broke before the answer came. */
  const askOver = async (
    opened: LineChannel,
    question: Question,
  ): Promise<RunnerMessage | null> => {
    lastSerial += 1
    const serial = lastSerial
    const answer = Promise.withResolvers<RunnerMessage | null>()
    waiting.set(serial, answer.resolve)
    opened.send(z.encode(RunnerRequest, { ...question, serial }))
    const message = await answer.promise
    waiting.delete(serial)
    return message
  }

  const askPatiently = async (
    question: Question,
  ): Promise<RunnerMessage | 'no-runner' | 'broken'> => {
    for (let breaks = 0; breaks < mostBreaks; breaks += 1) {
      if (breaks > 0 && !(await pauseAfter(breaks))) return 'no-runner'
      const opened = channel ?? (await (connecting ??= connect()))
      if (opened === null || closing.signal.aborted) return 'no-runner'
      const answer = await askOver(opened, question)
      if (answer !== null) return answer
    }
    return 'broken'
  }

  /** Of random length, so that a question that breaks connections does not always take the same others with it. */
  const pauseAfter = async (breaks: number): Promise<boolean> => {
    try {
      await world.sleep(firstPauseMs * 2 ** (breaks - 1) * (0.5 + world.random()), closing.signal)
      return true
    } catch {
      return false
    }
  }

  return {
    askIfThere: async (question) => {
      const answer = await askPatiently(question)
      return typeof answer === 'string' || answer.kind === 'not-understood' ? null : answer
    },
    ask: async (question) => {
      for (let attempt = 0; attempt < attempts; attempt += 1) {
        const answer = await askPatiently(question)
        if (answer === 'broken' || closing.signal.aborted) break
        if (answer === 'no-runner') await start()
        else if (answer.kind === 'not-understood') throw outdated()
        else return answer
      }
      throw new RunnerUnreachableError(
        `no runner answers in "${options.stateDirectory}"; its runner.log may say why`,
      )
    },
    close: async () => {
      closing.abort()
      channel?.close()
      await channel?.closed
    },
  }
}

function outdated(): RunnerOutdatedError {
  return new RunnerOutdatedError(
    'the runner is of an older version and does not know what this asks; it ends when its commands have ended',
  )
}
