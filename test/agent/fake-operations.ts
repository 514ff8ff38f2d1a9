import { createHash } from 'node:crypto'
import type {
  CommandToRun,
  OutputChunk,
  Resumption,
  RunningCommand,
} from '../../agent/operations/operation.ts'
import type { Result } from '../../protocol/messages/replies.ts'

/** Commands that run inside the test, and outlive each agent that a test kills, as the runner does. */
export interface FakeOperations {
  /** How often each command was begun, by id: its effects. */
  begun: Map<string, number>
  /** What each command found as its content. */
  started: CommandToRun[]
  /** Lets a `hold` command end. */
  release: (id: string, state?: Result['state']) => void
  /** Makes every command that was begun look as after a power loss. */
  loseAll: () => void
  /** From now on, commands are found again only when this resolves. */
  delayResume: (until: Promise<void>) => void
  /** From now on, what is found again is told as this makes of it. */
  resumeAs: (tell: (found: Resumption) => Promise<Resumption>) => void
  /** Bytes fed to a command's standard input. */
  stdinOf: (id: string) => string
  create: () => {
    begin: (toRun: CommandToRun) => Promise<RunningCommand>
    beginAgain: (toRun: CommandToRun) => Promise<RunningCommand>
    resume: (toRun: CommandToRun) => Promise<Resumption>
    recall: (toRun: Pick<CommandToRun, 'command'>, result: Result) => RunningCommand
    [Symbol.asyncDispose]: () => Promise<void>
  }
}

interface Run {
  running: RunningCommand
  end: (state: Result['state']) => void
  stdin: Buffer
}

const pieceBytes = 64 * 1024

/**
 * What a command does is in its argv: `['print', TEXT]`, `['big', BYTES]` writes that many bytes, `['hold', TEXT]` prints and
 * then runs until it is released or cancelled.
 */
export function fakeOperations(): FakeOperations {
  const runs = new Map<string, Run>()
  const begun = new Map<string, number>()
  const started: CommandToRun[] = []
  let mayResume = Promise.resolve()
  let tellFound = tellAsItIs

  const begin = async (toRun: CommandToRun): Promise<RunningCommand> => {
    const { id } = toRun.command
    begun.set(id, (begun.get(id) ?? 0) + 1)
    started.push(toRun)
    const run = startRun(toRun)
    runs.set(id, run)
    return run.running
  }

  return {
    begun,
    started,
    release: (id, state = 'succeeded') => runs.get(id)?.end(state),
    loseAll: () => runs.clear(),
    delayResume: (until) => {
      mayResume = until
    },
    resumeAs: (tell) => {
      tellFound = tell
    },
    stdinOf: (id) => runs.get(id)?.stdin.toString() ?? '',
    create: () => ({
      begin,
      beginAgain: begin,
      recall: ({ command }, result) => {
        const run = runs.get(command.id) ?? startRun({ command })
        run.end(result.state)
        return { ...run.running, ended: Promise.resolve(result) }
      },
      resume: async ({ command }) => {
        await mayResume
        const run = runs.get(command.id)
        if (run) return await tellFound({ kind: 'running-or-ended', running: run.running })
        return { kind: 'never-begun' }
      },
      [Symbol.asyncDispose]: async () => undefined,
    }),
  }
}

const tellAsItIs = async (found: Resumption): Promise<Resumption> => found

function startRun({ command }: Pick<CommandToRun, 'command'>): Run {
  const argv: unknown = command.operation['argv']
  const [what = '', text = ''] = Array.isArray(argv) ? argv.map(String) : []
  const sizeBytes = what === 'big' ? Number(text) : Buffer.byteLength(text)
  const byteAt = (offset: number, size: number): Buffer =>
    what === 'big' ? bigPiece(offset, size) : Buffer.from(text).subarray(offset, offset + size)
  const ended = Promise.withResolvers<Result>()
  const hash = createHash('sha256')
  for (let at = 0; at < sizeBytes; at += pieceBytes) {
    hash.update(byteAt(at, Math.min(pieceBytes, sizeBytes - at)))
  }
  const sha256 = hash.digest('hex')
  const run: Run = {
    stdin: Buffer.alloc(0),
    end: (state) => {
      ended.resolve({
        state,
        endedAt: new Date(),
        ...(state === 'succeeded' ? { exitCode: 0 } : {}),
        outputBytes: sizeBytes,
        streams: { stdout: { size: sizeBytes, sha256, droppedBytes: 0 } },
        survivors: [],
        answer: {},
      })
    },
    running: {
      ended: ended.promise,
      async *output(fromOffset): AsyncGenerator<OutputChunk> {
        for (let at = fromOffset; at < sizeBytes; at += pieceBytes) {
          const bytes = byteAt(at, Math.min(pieceBytes, sizeBytes - at))
          yield { offset: at, stream: 'stdout', bytes }
        }
        await ended.promise
      },
      discardOutput: async () => undefined,
      cancel: async () => run.end('cancelled'),
      feedStdin: async (offset, bytes) => {
        if (offset > run.stdin.length) {
          return { taken: false, reason: 'hole', nextOffset: run.stdin.length }
        }
        run.stdin = Buffer.concat([run.stdin.subarray(0, offset), bytes])
        return { taken: true }
      },
    },
  }
  if (what !== 'hold') run.end('succeeded')
  return run
}

/** Bytes that tell their own place. */
export function bigPiece(offset: number, size: number): Buffer {
  const piece = Buffer.alloc(size)
  for (let index = 0; index < size; index += 1) piece[index] = ((offset + index) * 31) % 251
  return piece
}
