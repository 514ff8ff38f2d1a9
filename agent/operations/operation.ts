import type { Command } from '../../protocol/messages/command.ts'
import type { OutputStream, Result } from '../../protocol/messages/replies.ts'
import type { PolicyRefusal } from '../policy/policy-keeper.ts'

/** A piece of a command's output; `offset` counts all streams together, in the order in which they were read. */
export interface OutputChunk {
  offset: number
  stream: OutputStream
  bytes: Uint8Array
}

/** A command that the agent has begun. Whoever holds it sends its output, waits for its end, and may end it early. */
export interface RunningCommand {
  /**
   * The output from `fromOffset` on, in order, as it appears. Ends once the command has ended and all was given.
   * Pulling is the back-pressure: what is not pulled waits in a bounded spool, and then in the command's own pipe.
   */
  output: (fromOffset: number, signal: AbortSignal) => AsyncIterable<OutputChunk>
  /** The return queue has taken all output below `offset`; it need not be kept any longer. */
  discardOutput: (belowOffset: number) => Promise<void>
  /** How it ended. Never rejects: what goes wrong is a `failed` or an `interrupted` result. */
  ended: Promise<Result>
  /** Ends it early: TERM to the whole tree, KILL after the grace period. Safe to call twice, or after the end. */
  cancel: (graceSeconds: number) => Promise<void>
  /** Feeds standard input; bytes below what was taken before are dropped, so a repeated chunk does no harm. */
  feedStdin: (offset: number, bytes: Uint8Array, end: boolean) => Promise<StdinVerdict>
}

export type StdinVerdict =
  | { taken: true }
  | { taken: false; reason: 'not-open' | 'hole' | 'ended'; nextOffset: number }

/** What is to be begun. */
export interface CommandToRun {
  command: Command
  /** The command's own directory under the agent's state directory, mode 0700; exists. */
  directory: string
  /** Where the whole content lies, checked against its digest; null for a command without content. */
  contentPath: string | null
  /** When it must have ended whatever it does, as a duration from now: the guest's clock may be wrong. */
  deadlineMs: number
  /**
   * Asks the policy about a file that has been opened, by its true path; null: it may be used. What is checked is what is
   * open: links that were laid since the command was taken lead nowhere.
   */
  judgeOpened?: (truePath: string) => Promise<PolicyRefusal | null>
}

/** What became of a command that was begun before the agent was (re)started. */
export type Resumption =
  | { kind: 'running-or-ended'; running: RunningCommand }
  /** It was never begun: it may be begun now. */
  | { kind: 'never-begun' }
  /** It was begun, and what ran it is gone without a word. */
  | { kind: 'interrupted'; running: RunningCommand }
