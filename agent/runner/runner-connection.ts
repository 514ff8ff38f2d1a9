import { once } from 'node:events'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { type LineChannel, openLineChannel } from './line-channel.ts'
import { lineLimitBytes, RunnerMessage, RunnerRequest } from './runner-protocol.ts'
import { RunnerUnreachableError, startRunner } from './start-runner.ts'

type WithoutSerial<T> = T extends unknown ? Omit<T, 'serial'> : never
type Question = WithoutSerial<RunnerRequest>

/** The one connection to the runner: made when it is needed, and again when it breaks. Every question may be repeated. */
export interface RunnerConnection {
  /**
   * Asks, and starts a runner if there is none.
   *
   * @throws {RunnerUnreachableError} no runner can be started, or none stays.
   */
  ask: (question: Question) => Promise<RunnerMessage>
  /** Asks the runner that is there; null when there is none. */
  askIfThere: (question: Question) => Promise<RunnerMessage | null>
  close: () => Promise<void>
}

interface ConnectionOptions {
  stateDirectory: string
  idleMs: number
  /** All that the runner says; unasked words among them. */
  onMessage: (message: RunnerMessage) => void
  /** The connection is gone: whoever waits for unasked words has to ask again. */
  onClosed: () => void
}

/** A runner that may be ending just now is replaced this often before the attempt is given up. */
const attempts = 5

export function createRunnerConnection(options: ConnectionOptions): RunnerConnection {
  const socketPath = join(options.stateDirectory, 'runner.sock')
  const waiting = new Map<number, (message: RunnerMessage | null) => void>()
  let lastSerial = 0
  let channel: LineChannel | undefined
  let connecting: Promise<LineChannel | null> | undefined
  let starting: Promise<void> | undefined
  let isClosed = false

  const hear = (json: unknown) => {
    const message = RunnerMessage.parse(json)
    if ('serial' in message) waiting.get(message.serial)?.(message)
    options.onMessage(message)
  }

  const forget = async (opened: LineChannel) => {
    await opened.closed
    channel = undefined
    for (const resolve of waiting.values()) resolve(null)
    if (!isClosed) options.onClosed()
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
    const opened = openLineChannel(socket, lineLimitBytes, hear)
    channel = opened
    void forget(opened)
    return opened
  }

  const start = async () => {
    starting ??= startRunner(options.stateDirectory, options.idleMs).finally(() => {
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

  const askIfThere = async (question: Question): Promise<RunnerMessage | null> => {
    for (;;) {
      const opened = channel ?? (await (connecting ??= connect()))
      if (opened === null || isClosed) return null
      const answer = await askOver(opened, question)
      if (answer !== null) return answer
    }
  }

  return {
    askIfThere,
    ask: async (question) => {
      for (let attempt = 0; attempt < attempts; attempt += 1) {
        const answer = await askIfThere(question)
        if (answer !== null) return answer
        if (isClosed) break
        await start()
      }
      throw new RunnerUnreachableError(
        `no runner answers in "${options.stateDirectory}"; its runner.log may say why`,
      )
    },
    close: async () => {
      isClosed = true
      channel?.close()
      await channel?.closed
    },
  }
}
