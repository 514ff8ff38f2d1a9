import type { Command } from '../../protocol/messages/command.ts'
import { protocolVersion } from '../../protocol/messages/wire-types.ts'
import type { Context } from '../context.ts'
import { uuidV7 } from '../ids.ts'
import { insertCommand } from '../store/command-changes.ts'
import type { Instance } from '../store/instances.ts'
import { showOperation } from './show-operation.ts'

/** What is asked of an instance, once everything about it is checked. */
export interface Order {
  /** Where something is bound to it already; else a fresh one is made. */
  id?: string
  operation: { name: string } & Readonly<Record<string, unknown>>
  startBy: Date
  timeoutSeconds: number
  silenceSeconds?: number | undefined
  graceSeconds: number
  idempotent?: boolean
  lane?: string | undefined
  content?: { sha256: string; size: number } | undefined
  /** Not listed: made by the controller itself, or a piece of input. */
  hidden?: boolean
  /** The command that it is about. */
  targetId?: string
}

/**
 * Makes a command with an id, a deadline and a reply key of its own, and puts it on the books as `queued`.
 * Call it inside `write`, and the dispatcher after that.
 */
export function fileCommand(
  { store, world, dueBell }: Pick<Context, 'store' | 'world' | 'dueBell'>,
  instance: Instance,
  order: Order,
): Command {
  const runMs = (order.timeoutSeconds + order.graceSeconds) * 1000
  const command: Command = {
    v: protocolVersion,
    id: order.id ?? uuidV7(world),
    cluster: instance.clusterId,
    instance: instance.id,
    issuedAt: world.now(),
    startBy: order.startBy,
    deadline: new Date(order.startBy.getTime() + runMs),
    timeoutSeconds: order.timeoutSeconds,
    ...(order.silenceSeconds === undefined ? {} : { silenceSeconds: order.silenceSeconds }),
    graceSeconds: order.graceSeconds,
    idempotent: order.idempotent ?? false,
    ...(order.lane === undefined ? {} : { lane: order.lane }),
    replyKey: Uint8Array.from(world.randomBytes(32)),
    ...(order.content === undefined ? {} : { content: order.content }),
    operation: order.operation,
  }
  insertCommand(store, command, {
    shown: showOperation(order.operation),
    hidden: order.hidden ?? false,
    targetId: order.targetId ?? null,
  })
  dueBell.ring(order.startBy)
  return command
}
