import type { Socket } from 'node:net'
import { z } from 'zod'
import { Result } from '../../protocol/messages/replies.ts'
import { errnoOf, markBegun, recordEnd } from './command-record.ts'
import type { CommandSpec } from './command-spec.ts'
import { type LineChannel, openLineChannel } from './line-channel.ts'
import { isShuttingDown, judgeEnd } from './machine-stop.ts'
import { type CommandInCare, type RunnerParts, runCommand } from './run-command.ts'
import { lineLimitBytes, RunnerMessage, RunnerRequest, UnknownRequest } from './runner-protocol.ts'
import { createSparingLog } from './sparing-log.ts'

/** Answers agents (one at a time in practice: a new one after a restart) about the commands in this runner's care. */
export interface AgentService {
  serve: (socket: Socket) => void
  /** Neither commands nor connections. */
  isIdle: () => boolean
  hasCommands: () => boolean
  /** This process was told to end: perhaps every process on this machine was. */
  noteToldToEnd: () => void
  /** Lets go of all connections; the agents find another runner. */
  close: () => void
}

interface Care {
  command: CommandInCare
  listeners: Set<LineChannel>
}

/** What its runner is told. */
interface ServiceOptions {
  /** The version of the agent that started this runner. */
  agentVersion: string
  /** `isIdle` may have changed. */
  onChange: () => void
  /** An agent of another version is there: the next runner should be of its version. */
  onOtherVersion: () => void
}

export function createAgentService(parts: RunnerParts, options: ServiceOptions): AgentService {
  const { onChange } = options
  const cares = new Map<string, Care>()
  const channels = new Set<LineChannel>()
  const tellUnknown = createSparingLog()
  let isRunnerTold = false
  let givesWay = false

  const begin = (spec: CommandSpec, channel: LineChannel) => {
    if (cares.has(spec.id)) return
    const listeners = new Set([channel])
    const isFirst = tryToMark(spec, parts)
    // Begun before, by a runner that is gone: the agent finds out by itself what is left of it.
    if (isFirst === false) return
    const onWritten = (written: number) => tell(listeners, { kind: 'output', id: spec.id, written })
    const command = isFirst === true ? runCommand(spec, parts, onWritten) : neverRun(isFirst)
    cares.set(spec.id, { command, listeners })
    void seeToEnd(spec, command, listeners)
  }

  const seeToEnd = async (
    spec: CommandSpec,
    command: CommandInCare,
    listeners: Set<LineChannel>,
  ) => {
    const end = await endOf(command, parts)
    const result = judgeEnd(end, { isRunnerTold, isMachineStopping: isShuttingDown() })
    try {
      recordEnd(spec.directory, result)
    } catch (error) {
      // The agent hears it all the same, and journals it.
      process.stderr.write(`the end of ${spec.id} was not written: ${errnoOf(error)}\n`)
    }
    tell(listeners, { kind: 'ended', id: spec.id, result })
    cares.delete(spec.id)
    onChange()
  }

  const answer = async (request: RunnerRequest, channel: LineChannel): Promise<RunnerMessage> => {
    const { serial } = request
    if (request.kind === 'hello') {
      if (request.version !== options.agentVersion) {
        givesWay = true
        options.onOtherVersion()
      }
      return { kind: 'done', serial }
    }
    if (request.kind === 'ping') return { kind: 'done', serial }
    if (request.kind === 'begin') begin(request.spec, channel)
    const care = cares.get(request.kind === 'begin' ? request.spec.id : request.id)
    switch (request.kind) {
      case 'begin':
      case 'attach':
        care?.listeners.add(channel)
        return {
          kind: 'care',
          serial,
          inCare: care !== undefined,
          written: care?.command.written() ?? 0,
        }
      case 'cancel':
        care?.command.cancel(request.graceMs)
        return { kind: 'done', serial }
      case 'discarded':
        care?.command.discard(request.below)
        return { kind: 'done', serial }
      case 'stdin': {
        const { offset, bytes, end } = request
        const verdict = await (care?.command.feedStdin(offset, bytes, end) ?? endedVerdict(offset))
        return { kind: 'verdict', serial, verdict }
      }
    }
  }

  const take = (json: unknown, channel: LineChannel) => {
    // This process is ending: what it began now, the next runner would take for the command of a dead one.
    if (givesWay && cares.size === 0) {
      channel.close()
      return
    }
    const request = RunnerRequest.safeParse(json)
    if (request.success) {
      void answer(request.data, channel).then((message) => send(channel, message))
      return
    }
    const { serial } = UnknownRequest.parse(json)
    tellUnknown(`a request was not understood: ${request.error.message.slice(0, 512)}`)
    send(channel, { kind: 'not-understood', serial })
  }

  const forget = async (channel: LineChannel) => {
    await channel.closed
    channels.delete(channel)
    for (const { listeners } of cares.values()) listeners.delete(channel)
    onChange()
  }

  return {
    isIdle: () => cares.size === 0 && channels.size === 0,
    hasCommands: () => cares.size > 0,
    noteToldToEnd: () => {
      isRunnerTold = true
    },
    close: () => {
      for (const channel of channels) channel.close()
    },
    serve: (socket) => {
      const channel = openLineChannel(socket, lineLimitBytes, (json) => take(json, channel))
      channels.add(channel)
      void forget(channel)
    },
  }
}

/** `false`: it was begun before. An error: it cannot be. */
function tryToMark(spec: CommandSpec, { world }: RunnerParts): boolean | Result {
  try {
    return markBegun(spec.directory, world.now())
  } catch (error) {
    return failure(errnoOf(error) ?? 'unknown error', world.now())
  }
}

/** Nothing that goes wrong with one command may end the runner of all the others. */
async function endOf(command: CommandInCare, { world }: RunnerParts): Promise<Result> {
  try {
    return await command.ended
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : 'unknown error'}\n`)
    return failure('internal', world.now())
  }
}

function failure(code: string, endedAt: Date): Result {
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  const reason = isFull
    ? { code: 'no-space', message: 'the disk is full; free some space' }
    : { code: 'runner-failed', message: `the runner could not keep the command: ${code}` }
  return {
    state: 'failed',
    reason,
    endedAt,
    outputBytes: 0,
    streams: {},
    survivors: [],
    answer: {},
  }
}

function neverRun(result: Result): CommandInCare {
  return {
    ended: Promise.resolve(result),
    written: () => 0,
    discard: () => {},
    cancel: () => {},
    feedStdin: async (offset) => endedVerdict(offset),
  }
}

function endedVerdict(nextOffset: number) {
  return { taken: false, reason: 'ended', nextOffset } as const
}

function tell(listeners: ReadonlySet<LineChannel>, message: RunnerMessage): void {
  for (const channel of listeners) send(channel, message)
}

function send(channel: LineChannel, message: RunnerMessage): void {
  channel.send(z.encode(RunnerMessage, message))
}
