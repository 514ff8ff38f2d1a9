import { abortable } from '../../protocol/abortable.ts'
import type { Command } from '../../protocol/messages/command.ts'
import type { StdinOperation } from '../../protocol/messages/operations.ts'
import type { Reason, Result } from '../../protocol/messages/replies.ts'
import type { ServerClock } from '../clock/server-clock.ts'
import type { CredentialsKeeper } from '../enrol/credentials-keeper.ts'
import type { Facts } from '../facts.ts'
import { expired } from '../intake/judge-command.ts'
import type { Journal } from '../journal/journal.ts'
import type { Desk, HeldCommand } from '../lanes/held-command.ts'
import type { ControlOperation } from '../lanes/task.ts'
import type { StdinVerdict } from '../operations/operation.ts'

/** What operations on the agent itself need. */
export interface ControlParts {
  desk: Desk
  journal: Pick<Journal, 'find'>
  /** Ends all waiting; the next start does what was not done. */
  closing: AbortSignal
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
    case 'cancel':
      return await inTime(command, parts, async (late) => {
        const cancel = async (held: HeldCommand) => held.cancel(operation.graceSeconds)
        const target = await onTarget(operation.target, parts, late, cancel)
        if (!target) return noSuchCommand(parts)
        // Not before: an agent that is killed until then does it again.
        await target.done
        return succeed(parts)
      })
    case 'stdin':
      return await feedStdin(operation, command, parts)
  }
}

async function feedStdin(
  operation: StdinOperation,
  command: Command,
  parts: ControlParts,
): Promise<Result> {
  return await inTime(command, parts, async (late) => {
    const target = await onTarget(operation.target, parts, late, ({ begun }) => begun)
    const running = target && (await abortable(target.done, late))
    if (!running) return noSuchCommand(parts)
    return answerStdin(
      await running.feedStdin(operation.offset, operation.bytes, operation.end),
      parts,
    )
  })
}

/**
 * Acts on the command that an operation is about. It may come later than the operation: a claim whose answer was lost hides its
 * message for a while, or the queue gives them in another order. A `cancel` that did not wait would be lost.
 *
 * @returns undefined when the command has ended.
 */
async function onTarget<T>(
  id: string,
  { desk, journal }: ControlParts,
  late: AbortSignal,
  act: (held: HeldCommand) => T,
): Promise<{ done: T } | undefined> {
  const state = journal.find(id)?.state
  if (!desk.has(id) && (state === 'ended' || state === 'sent')) return undefined
  // In an object, lest a promise that is done with be waited for here.
  return await desk.whenHeld(id, late, (held) => ({ done: act(held) }))
}

/** Does what an operation asks, unless its time to start is over before. */
async function inTime(
  command: Command,
  parts: ControlParts,
  act: (late: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const timer = new AbortController()
  const late = new AbortController()
  const stop = () => timer.abort('over')
  parts.closing.addEventListener('abort', stop, { once: true })
  parts.clock.sleepUntil(command.startBy, timer.signal).then(
    () => late.abort(),
    () => undefined,
  )
  try {
    return await act(late.signal)
  } catch (error) {
    if (!late.signal.aborted) throw error
    const { state, reason } = expired(command.startBy)
    return { ...succeed(parts), state, reason }
  } finally {
    stop()
    parts.closing.removeEventListener('abort', stop)
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
  const message = 'no such command is here: it has ended'
  return fail(parts, { code: 'no-such-command', message })
}

function fail(parts: ControlParts, reason: Reason): Result {
  return { ...succeed(parts), state: 'failed', reason }
}

function succeed({ clock }: ControlParts, answer: Record<string, unknown> = {}): Result {
  const endedAt = clock.now()
  return { state: 'succeeded', endedAt, outputBytes: 0, streams: {}, survivors: [], answer }
}
