import { type Command, Operation } from '../../protocol/messages/command.ts'
import type { Reason } from '../../protocol/messages/replies.ts'
import type { JournalState } from '../journal/journal.ts'

/** What the agent knows when it judges. */
export interface Known {
  cluster: string
  instance: string
  /** By the server's clock. */
  now: Date
  /** No deadline up to here proves that a command is new (`Journal.forgottenUntil`). */
  forgottenUntil: Date
  /** What became of this id before; undefined for one that was not seen. */
  seen: { state: JournalState; messageId: string | null } | undefined
  /** The largest content that is taken, in bytes. */
  contentLimitBytes: number
}

/** Why a command is dropped: nobody gets an answer. */
export type DropReason =
  | 'other-cluster'
  | 'other-instance'
  | 'too-late'
  | 'forgotten-age'
  | 'delivered-again'
  | 'replayed'

/** What is to be done with a command that has been opened. */
export type Verdict =
  | { kind: 'run'; operation: Operation }
  /** Taken on, and answered at once. */
  | { kind: 'answer'; state: 'refused' | 'expired'; reason: Reason; rule?: string }
  | { kind: 'drop'; reason: DropReason }

/**
 * Decides whether a command is taken on. Pure: the same arguments give the same verdict. Signature and seal have been
 * proved before; this stops misdirected, late and repeated commands.
 */
export function judgeCommand(command: Command, messageId: string, known: Known): Verdict {
  const drop = judgeDelivery(command, messageId, known)
  if (drop) return { kind: 'drop', reason: drop }
  const operation = Operation.safeParse(command.operation)
  const { name } = command.operation
  if (!operation.success && !isKnownOperation(name)) {
    return refuse('unknown-operation', `this agent does not know the operation "${name}"`)
  }
  if (!operation.success) {
    const keys = operation.error.issues.map((issue) => issue.path.join('.') || '(root)')
    const where = [...new Set(keys)].slice(0, 8).join(', ')
    return refuse('operation-malformed', `the operation "${name}" breaks its schema at ${where}`)
  }
  if (command.content && command.content.size > known.contentLimitBytes) {
    const { size } = command.content
    return refuse(
      'content-too-large',
      `content of ${size} bytes, at most ${known.contentLimitBytes} are taken`,
    )
  }
  if (command.startBy <= known.now) return { kind: 'answer', ...expired(command.startBy) }
  return { kind: 'run', operation: operation.data }
}

/** How a command ends that was not begun by `startBy`. */
export function expired(startBy: Date): { state: 'expired'; reason: Reason } {
  const message = `not begun by ${startBy.toISOString()}`
  return { state: 'expired', reason: { code: 'expired', message } }
}

function judgeDelivery(command: Command, messageId: string, known: Known): DropReason | undefined {
  if (command.cluster !== known.cluster) return 'other-cluster'
  if (command.instance !== known.instance) return 'other-instance'
  if (known.seen) return known.seen.messageId === messageId ? 'delivered-again' : 'replayed'
  if (command.deadline <= known.now) return 'too-late'
  if (command.deadline <= known.forgottenUntil) return 'forgotten-age'
  return undefined
}

function refuse(code: string, message: string): Verdict {
  // Keys may be as long as whoever made them liked.
  return { kind: 'answer', state: 'refused', reason: { code, message: message.slice(0, 4096) } }
}

function isKnownOperation(name: string): boolean {
  return Operation.options.some((option) => option.shape.name.value === name)
}
