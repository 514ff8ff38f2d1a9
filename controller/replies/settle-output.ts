import { createHash, type Hash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { OutputStream } from '../../protocol/messages/replies.ts'
import type { Context } from '../context.ts'
import { raiseAlert } from '../store/alerts.ts'
import { settleOutput } from '../store/command-changes.ts'
import { readCommand, type StoredCommand } from '../store/commands.ts'
import { type Piece, readOutput } from '../store/output.ts'
import { commandKey } from '../wakeups.ts'
import { noteDropped } from '../young-garbage.ts'

/** Output up to this size is checked at once, in bytes; it takes about a millisecond. */
const smallBytes = 1024 * 1024

/**
 * Settles an ended command whose output has come whole: compares it with the sizes and digests in the result. A mismatch
 * is an alert, and leaves `outputComplete` false. Call it inside `write`.
 *
 * @returns false when the output is whole but large: `settleLargeOutput` is to do it.
 */
export function settleSmallOutput(context: Context, commandId: string): boolean {
  const command = readCommand(context.store, commandId)
  if (command === undefined || !isOutputWhole(command)) return true
  if (command.outputBytes > smallBytes) return false
  const sums: Sums = new Map()
  for (const pieces of slices(context, command)) addToSums(sums, pieces)
  settle(context, command, findMismatch(command, sums))
  return true
}

/**
 * The same for any size, a slice at a time between other work. It reads the output again instead of carrying digests
 * along, so that a restart in the middle changes nothing.
 */
export async function settleLargeOutput(context: Context, commandId: string): Promise<void> {
  const { store, wakeups } = context
  const command = readCommand(store, commandId)
  if (command === undefined || !isOutputWhole(command)) return
  const sums: Sums = new Map()
  for (const pieces of slices(context, command)) {
    addToSums(sums, pieces)
    await nextTurn()
  }
  await store.write(() => settle(context, command, findMismatch(command, sums)))
  wakeups.wake(commandKey(commandId))
}

/** Gives up waiting for output that was announced and did not come. Call it inside `write`. */
export function settleIncomplete(context: Context, command: StoredCommand): void {
  const announced = command.result?.outputBytes ?? 0
  settleOutput(context.store, command.id, false)
  alertOutput(
    context,
    command,
    'output-incomplete',
    `${command.outputBytes} of ${announced} bytes came`,
  )
}

/** Whether a command has ended by its agent's word, and all output that the result announces is here, unchecked yet. */
export function isOutputWhole(command: StoredCommand): boolean {
  return (
    command.result !== null &&
    !command.outputSettled &&
    command.outputBytes >= command.result.outputBytes
  )
}

type Sums = Map<OutputStream, { hash: Hash; size: number }>

function* slices({ store }: Context, command: StoredCommand): Generator<Piece[], void, undefined> {
  let offset = 0
  while (offset < command.outputBytes) {
    const pieces = readOutput(store, command.seq, offset)
    if (pieces.length === 0) return
    offset += pieces.reduce((size, { bytes }) => size + bytes.length, 0)
    yield pieces
  }
}

function addToSums(sums: Sums, pieces: readonly Piece[]): void {
  for (const { stream, bytes } of pieces) {
    const sum = sums.get(stream) ?? { hash: createHash('sha256'), size: 0 }
    sum.hash.update(bytes)
    sum.size += bytes.length
    sums.set(stream, sum)
    noteDropped(bytes.length)
  }
}

/** What is wrong, in words; `undefined` when nothing is. A stream that was not kept whole has no digest to compare. */
function findMismatch({ outputBytes, result }: StoredCommand, sums: Sums): string | undefined {
  if (result === null) return undefined
  const isUnseen = Object.keys(result.streams).length === 0
  // A command that is begun again may be interrupted before it has printed as much as the first time.
  if (isUnseen && result.state === 'interrupted') return undefined
  if (outputBytes !== result.outputBytes) {
    return `${outputBytes} bytes came, and the result speaks of ${result.outputBytes}`
  }
  // When what ran the command died, nobody is left who has seen all of a stream: only the sum is known.
  if (isUnseen) return undefined
  const streams = new Set([...sums.keys(), ...(['stdout', 'stderr', 'content'] as const)])
  for (const stream of streams) {
    const [came, announced] = [sums.get(stream), result.streams[stream]]
    if (came !== undefined && announced === undefined) {
      return `${stream} came, and the result does not speak of it`
    }
    if (announced === undefined || announced.droppedBytes > 0) continue
    if (announced.size !== (came?.size ?? 0))
      return `${stream} has another size than the result says`
    if (came !== undefined && came.hash.digest('hex') !== announced.sha256) {
      return `${stream} has another digest than the result says`
    }
  }
  return undefined
}

function settle(context: Context, command: StoredCommand, mismatch: string | undefined): void {
  settleOutput(context.store, command.id, mismatch === undefined)
  if (mismatch !== undefined) alertOutput(context, command, 'output-digest', mismatch)
}

function alertOutput(
  { store, world, log }: Context,
  command: StoredCommand,
  code: string,
  problem: string,
): void {
  const message = `output of command ${command.id}: ${problem}`
  log.warn({ command: command.id, instance: command.instanceId, alert: code }, message)
  const alert = { at: world.now(), code, message }
  raiseAlert(store, command.instanceId, alert)
}
