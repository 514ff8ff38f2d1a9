import { rm } from 'node:fs/promises'
import { abortable } from '../../protocol/abortable.ts'
import type { Result } from '../../protocol/messages/replies.ts'
import { performControl } from '../control/perform-control.ts'
import { type ContentReceiver, receiveContent } from '../intake/content-receiver.ts'
import { untilJournaled } from '../journal/until-journaled.ts'
import { describeError } from '../log.ts'
import type { RunningCommand } from '../operations/operation.ts'
import { boundOutput } from '../policy/bound-output.ts'
import { type CommandReplies, replyTo } from '../reply/command-replies.ts'
import type { OutputPump } from '../reply/pump-output.ts'
import { beginInTime } from './begin-in-time.ts'
import { type HeldCommand, holdCommand } from './held-command.ts'
import { recordEnd } from './record-end.ts'
import { type CarryOutParts, commandDirectory, endNow, isControl, type Task } from './task.ts'

/**
 * Takes a journaled command to its end: waits for its content and its turn, begins it, sends its output while it runs,
 * journals its result, posts it, and forgets it. Never rejects: what fails is logged, stays owed, and is taken up again by
 * the next start of the agent.
 */
export async function carryOut(task: Task, parts: CarryOutParts): Promise<void> {
  const { command, place } = task
  const { closing, desk, journal, log } = parts
  const replies = replyTo(command, parts, closing)
  const held = holdCommand(command, task.recovered?.running ?? null)
  held.receiver = contentReceiver(task, parts)
  desk.set(command.id, held)
  try {
    const outcome = boundOutcome(await runOrAnswer(task, held, replies, parts), task, parts)
    const sending = sendOutput(task, outcome.running, replies, parts)
    const result = await abortable(outcome.ended, closing)
    // Beside the journal's flush. Whoever waits for it hears of its failure.
    const sealed = replies.sealResult(result)
    sealed.catch(() => undefined)
    await recordEnd(task, result, place.leave, parts)
    place.leave()
    desk.delete(command.id)
    held.settleBegun(undefined)
    await sending.handedOver
    await Promise.all([sending.sent, replies.sendResult(sealed)])
    // When all ends, closing the journal writes it.
    const marked = untilJournaled(async () => journal.markSent(command.id), parts)
    await abortable(marked, closing)
    await removeDirectory(command.id, parts)
  } catch (error) {
    if (!closing.aborted) {
      log.error({ command: command.id, ...describeError(error) }, 'a command is left to a restart')
    }
  } finally {
    place.leave()
    desk.delete(command.id)
    held.settleBegun(undefined)
  }
}

/** Made before anything else: the chunks may have been claimed together with the command. */
function contentReceiver(
  { command, content, result, recovered }: Task,
  parts: CarryOutParts,
): ContentReceiver | undefined {
  if (!command.content || result || recovered) return undefined
  const directory = commandDirectory(command.id, parts)
  return receiveContent(command.content, directory, content, async (ranges) => {
    await parts.journal.noteContent(command.id, ranges)
  })
}

/** A command that runs, or one whose end is known. */
interface Outcome {
  running: RunningCommand | null
  ended: Promise<Result>
}

/** Keeps the output within what the policy allows, or allowed when the result was journaled, which stays as it is. */
function boundOutcome(
  outcome: Outcome,
  { command: { graceSeconds }, result }: Task,
  { policy }: CarryOutParts,
): Outcome {
  if (outcome.running && result) {
    const running = boundOutput(outcome.running, result.outputBytes, graceSeconds)
    return { running, ended: outcome.ended }
  }
  const { outputBytes } = policy.limits()
  if (!outcome.running || outputBytes === undefined) return outcome
  const running = boundOutput(outcome.running, outputBytes, graceSeconds)
  return { running, ended: running.ended }
}

async function runOrAnswer(
  task: Task,
  held: HeldCommand,
  replies: CommandReplies,
  parts: CarryOutParts,
): Promise<Outcome> {
  const { command, operation, result } = task
  const recovered = task.recovered?.running ?? null
  if (result) return { running: recovered, ended: Promise.resolve(result) }
  if (recovered) {
    replies.accept()
    return { running: recovered, ended: recovered.ended }
  }
  if (operation && isControl(operation)) {
    return { running: null, ended: performControl(operation, command, parts) }
  }
  replies.accept()
  const begun = await beginInTime(task, held, replies, parts)
  if (begun.kind === 'ended-early') {
    const end = endNow(begun.end, parts.clock)
    if (task.beginsAgain) return endInterrupted(task, task.beginsAgain.interrupted, end)
    return { running: null, ended: Promise.resolve(end) }
  }
  parts.log.info({ command: command.id, operation: command.operation.name }, 'begun')
  return { running: begun.running, ended: begun.running.ended }
}

/** It does not begin again, but had begun: nobody may hear that nothing of it ran, and its first run had output. */
function endInterrupted(
  { outputSent }: Task,
  interrupted: RunningCommand | null,
  end: Result,
): Outcome {
  const isCancelled = end.state === 'cancelled'
  const how = isCancelled
    ? 'cancelled before it began again'
    : `not begun again: ${end.reason?.message}`
  const message = `it was interrupted, and ${how}`.slice(0, 4096)
  const reason = { code: isCancelled ? 'cancelled' : 'interrupted', message }
  const state = isCancelled ? 'cancelled' : 'interrupted'
  const result: Result = { ...end, state, reason, outputBytes: outputSent }
  if (!interrupted) return { running: null, ended: Promise.resolve(result) }
  return {
    running: interrupted,
    ended: interrupted.ended.then((first) => ({ ...first, state, reason })),
  }
}

/**
 * Sends the output, a bounded number of commands at once. A failure is no reason to keep the result back, so that neither
 * promise rejects for one.
 */
function sendOutput(
  { command, outputSent, recovered }: Task,
  running: RunningCommand | null,
  replies: CommandReplies,
  { senders, closing, log }: CarryOutParts,
): OutputPump {
  if (!running) return { handedOver: Promise.resolve(), sent: Promise.resolve() }
  // What runs it may not have heard before the restart that this was sent, and hold a full spool back for ever.
  if (recovered && outputSent > 0) running.discardOutput(outputSent).catch(() => undefined)
  const sender = senders.join()
  const forgive = (error: unknown) => {
    if (closing.aborted) return
    log.error({ command: command.id, ...describeError(error) }, 'its output could not be sent')
  }
  const started = sender.turn(closing).then(() => replies.sendOutput(running, outputSent))
  const sent = started
    .then(async (pump) => pump.sent)
    .catch(forgive)
    .finally(() => sender.leave())
  const handedOver = started.then(async (pump) => pump.handedOver).catch(() => undefined)
  return { handedOver, sent }
}

async function removeDirectory(id: string, parts: CarryOutParts): Promise<void> {
  try {
    await rm(commandDirectory(id, parts), { recursive: true, force: true })
  } catch (error) {
    parts.log.warn(
      { command: id, ...describeError(error) },
      'its directory is left for the next start',
    )
  }
}
