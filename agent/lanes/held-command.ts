import { abortable } from '../../protocol/abortable.ts'
import type { Command } from '../../protocol/messages/command.ts'
import type { EndState, Reason } from '../../protocol/messages/replies.ts'
import type { ContentReceiver } from '../intake/content-receiver.ts'
import type { RunningCommand } from '../operations/operation.ts'

/** Ends a command that has not begun, and says how. */
export class EarlyEnd extends Error {
  readonly end: { state: EndState; reason: Reason; rule?: string }

  constructor(end: EarlyEnd['end']) {
    super(end.reason.message)
    this.end = end
  }
}

/** A command that the agent has taken and that has not ended yet, as others see it who act on it. */
export interface HeldCommand {
  readonly command: Command
  /** While its content is awaited. */
  receiver: ContentReceiver | undefined
  /** Aborted with an `EarlyEnd` when it is to end without having begun. */
  readonly early: AbortSignal
  endEarly: (end: EarlyEnd['end']) => void
  /** From here on it can only be ended through what runs it. @throws {EarlyEnd} it is too late for that. */
  pointOfNoReturn: () => void
  /** Resolves when it runs; with undefined when it has ended without. */
  begun: Promise<RunningCommand | undefined>
  settleBegun: (running: RunningCommand | undefined) => void
  isRunning: () => boolean
  /** Ends it, whether it runs or not; resolves when what runs it has heard of that. */
  cancel: (graceSeconds: number) => Promise<void>
}

/** The commands that are held, by id. */
export class Desk extends Map<string, HeldCommand> {
  readonly #waiting = new Set<{ id: string; resolve: (held: HeldCommand) => void }>()

  override set(id: string, held: HeldCommand): this {
    super.set(id, held)
    for (const one of this.#waiting) if (one.id === id) one.resolve(held)
    return this
  }

  /** Acts on a command as soon as it is held, before it can begin. @throws the signal's reason. */
  async whenHeld<T>(id: string, signal: AbortSignal, act: (held: HeldCommand) => T): Promise<T> {
    const held = this.get(id)
    if (held) return act(held)
    const { promise, resolve } = Promise.withResolvers<T>()
    const waiting = { id, resolve: (arrived: HeldCommand) => resolve(act(arrived)) }
    this.#waiting.add(waiting)
    try {
      return await abortable(promise, signal)
    } finally {
      this.#waiting.delete(waiting)
    }
  }
}

/** @param found what runs it, where an earlier agent began it: whoever waits for it to be held finds it running. */
export function holdCommand(command: Command, found: RunningCommand | null): HeldCommand {
  const early = new AbortController()
  const begun = Promise.withResolvers<RunningCommand | undefined>()
  let phase: 'before' | 'beginning' | 'running' = found ? 'running' : 'before'
  if (found) begun.resolve(found)
  return {
    command,
    receiver: undefined,
    early: early.signal,
    endEarly: (end) => {
      if (phase === 'before') early.abort(new EarlyEnd(end))
    },
    pointOfNoReturn: () => {
      early.signal.throwIfAborted()
      phase = 'beginning'
    },
    begun: begun.promise,
    settleBegun: (running) => {
      if (running) phase = 'running'
      begun.resolve(running)
    },
    isRunning: () => phase === 'running',
    cancel: async (graceSeconds) => {
      if (phase === 'before') {
        const reason = { code: 'cancelled', message: 'cancelled before it began' }
        early.abort(new EarlyEnd({ state: 'cancelled', reason }))
        return
      }
      const running = await begun.promise
      await running?.cancel(graceSeconds)
    },
  }
}
