import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { z } from 'zod'
import type { NewCommand } from '../../controller/api/resources.ts'

/**
 * How often each kind of command is drawn.
 *
 * | kind | what it does beside its mark |
 * | --- | --- |
 * | quick | prints a few lines on both streams |
 * | talk | prints up to some 280 KB |
 * | linger | sleeps between two halves of its output |
 * | again | the same, and may be repeated (`idempotent`) |
 * | fail | ends with exit code 3 |
 * | late | runs into its timeout |
 * | cancel | sleeps until it is cancelled |
 * | write | puts its mark as content into a file that must not exist |
 * | feed | gets content of 400 KB as standard input, and prints it |
 */
export const commandWeights = {
  quick: 50,
  talk: 12,
  linger: 14,
  again: 4,
  fail: 4,
  late: 2,
  cancel: 3,
  write: 8,
  feed: 3,
}
export type CommandKind = keyof typeof commandWeights

export interface PlannedCommand {
  /** Its number in the run, which its mark shows. */
  serial: number
  kind: CommandKind
  instance: number
  lines: number
  sleepMs: number
  lane: string | undefined
}

/** Where the effects of an instance's commands are seen. */
export interface EffectPaths {
  /** A line for each time that a command ran. */
  marks: string
  /** A file for each `write`. */
  files: string
}

/** Longer than any run with all its jumps of the queue's clock. */
const patienceSeconds = 12 * 86_400

/** Leaves the mark, then prints `$3` lines from number `$2` on, half before and half after `$4` seconds. */
const script = `echo "$0" >> "$1"
seq $(($2 + 1)) $(($2 + $3 / 2)); sleep "$4"; seq $(($2 + $3 / 2 + 1)) $(($2 + $3))
echo "mark $0" >&2`

/** What some kinds do at their end. */
const lastWords: Partial<Record<CommandKind, string>> = {
  fail: '; exit 3',
  late: '; sleep 3600',
  cancel: '; sleep 3600',
}

/** What is posted. */
export function toRequest(
  command: PlannedCommand,
  { marks, files }: EffectPaths,
): z.input<typeof NewCommand> {
  const { kind, serial, lines, lane } = command
  const common = {
    startWithinSeconds: patienceSeconds,
    timeoutSeconds: kind === 'late' ? 1 : 3600,
    graceSeconds: 1,
    idempotent: kind === 'again',
    ...(lane === undefined ? {} : { lane }),
  }
  if (kind === 'write') {
    const path = join(files, String(serial))
    return {
      ...common,
      operation: { name: 'write', path, placement: 'create' },
      content: { bytes: base64url(fileOf(command)) },
    }
  }
  if (kind === 'feed') {
    const argv = ['sh', '-c', 'echo "$0" >> "$1"; cat', String(serial), marks]
    const sha256 = createHash('sha256').update(feedBytes).digest('hex')
    return {
      ...common,
      operation: { name: 'exec', argv, contentIs: 'stdin' },
      content: { sha256 },
    }
  }
  const text = `${script}${lastWords[kind] ?? ''}`
  const seconds = String(command.sleepMs / 1000)
  const words = [String(serial), marks, String(firstLine(command)), String(lines), seconds]
  return { ...common, operation: { name: 'exec', argv: ['sh', '-c', text, ...words] } }
}

/** All that the command prints on standard output, if it runs to its end. */
export function expectedOutput(command: PlannedCommand): Buffer {
  if (command.kind === 'write') return Buffer.alloc(0)
  if (command.kind === 'feed') return feedBytes
  const first = firstLine(command) + 1
  let text = ''
  for (let line = first; line < first + command.lines; line += 1) text += `${line}\n`
  return Buffer.from(text)
}

/** What a `write` puts into its file. */
export function fileOf({ serial }: PlannedCommand): Buffer {
  return Buffer.from(`mark ${serial}\n`.repeat(1 + (serial % 2000)))
}

/** The content of every `feed`: more than two messages hold. */
export const feedBytes = Buffer.from(
  Array.from({ length: 50_000 }, (_, line) => `${line % 1000} fed\n`).join(''),
)

/** No two commands print the same. */
function firstLine({ serial }: PlannedCommand): number {
  return serial * 100_000
}

function base64url(bytes: Buffer): string {
  return bytes.toString('base64url')
}
