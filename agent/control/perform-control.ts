import { abortable } from '../../protocol/abortable.ts'
import type { Command } from '../../protocol/messages/command.ts'
import type { StdinOperation } from '../../protocol/messages/operations.ts'
import type { Reason, Result } from '../../protocol/messages/replies.ts'
import type { ServerClock } from '../clock/server-clock.ts'
import type { CredentialsKeeper } from '../enrol/credentials-keeper.ts'
import type { Facts } from '../facts.ts'
import { expired } from '../intake/judge-command.ts'
import type { Desk } from '../lanes/held-command.ts'
import type { ControlOperation } from '../lanes/task.ts'
import type { StdinVerdict } from '../operations/operation.ts'

/** What operations on the agent itself need. */
export interface ControlParts {
  desk: Desk
  keeper: CredentialsKeeper
  facts: () => Facts
  clock: ServerClock
}

/** Does an operation on the agent itself. Each may be done twice without harm, as it is after a crash. */
export async function performControl(
  operation: ControlOperation,
  command: Command,
  parts: ControlParts,
): Promise<Result> {
  switch (operation.name) {
    case 'ping':
      return succeed(parts, { ...parts.facts() })
    case 'credentials': {
      const isUsed = await parts.keeper.replace(operation.credentials)
      return succeed(parts, { used: isUsed })
    }
    case 'cancel': {
      const held = parts.desk.get(operation.target)
      if (!held) return noSuchCommand(parts)
      held.cancel(operation.graceSeconds)
      return succeed(parts)
    }
    case 'stdin':
      return await feedStdin(operation, command, parts)
  }
}

async function feedStdin(
  { target, offset, bytes, end }: StdinOperation,
  command: Command,
  parts: ControlParts,
): Promise<Result> {
  const held = parts.desk.get(target)
  if (!held) return noSuchCommand(parts)
  const timer = new AbortController()
  const late = new AbortController()
  parts.clock.sleepUntil(command.startBy, timer.signal).then(
    () => late.abort(),
    () => undefined,
  )
  try {
    const running = await abortable(held.begun, late.signal)
    if (!running) return noSuchCommand(parts)
    return answerStdin(await running.feedStdin(offset, bytes, end), parts)
  } catch (error) {
    if (!late.signal.aborted) throw error
    const { state, reason } = expired(command.startBy)
    return { ...succeed(parts), state, reason }
  } finally {
    timer.abort()
  }
}

function answerStdin(verdict: StdinVerdict, parts: ControlParts): Result {
  if (verdict.taken) return succeed(parts)
  const { reason, nextOffset } = verdict
  return { ...fail(parts, stdinReasons[reason]), answer: { nextOffset } }
}

const stdinReasons = {
  'not-open': { code: 'stdin-not-open', message: 'the command does not read standard input' },
  hole: { code: 'stdin-hole', message: 'bytes before these are missing; send them first' },
  ended: { code: 'stdin-ended', message: 'standard input, or the command, has ended' },
} as const satisfies Record<string, Reason>

function noSuchCommand(parts: ControlParts): Result {
  const message = 'no such command is here: it has ended, or never came'
  return fail(parts, { code: 'no-such-command', message })
}

function fail(parts: ControlParts, reason: Reason): Result {
  return { ...succeed(parts), state: 'failed', reason }
}

function succeed({ clock }: ControlParts, answer: Record<string, unknown> = {}): Result {
  const endedAt = clock.now()
  return { state: 'succeeded', endedAt, outputBytes: 0, streams: {}, survivors: [], answer }
}
