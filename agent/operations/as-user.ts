import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { findUser, type User } from '../runner/find-user.ts'
import { becomeUser } from '../runner/launch-program.ts'
import { type LineChannel, openLineChannel } from '../runner/line-channel.ts'
import { FromChild, type ToChild } from './as-user-protocol.ts'
import type { AllowOpened } from './opened-path.ts'
import { OperationFailure } from './operation-failure.ts'
import type { FileRange } from './read-file.ts'
import type { WriteAnswer, WriteJournal, WriteRequest } from './write-file.ts'

/**
 * The user to become, or null when we are that user.
 *
 * @throws {OperationFailure} `no-such-user` or `user-not-permitted`.
 */
export async function becomeOther(name: string | null): Promise<User | null> {
  const verdict = await findUser(name)
  if (!verdict.found) throw new OperationFailure(verdict.reason, verdict.message)
  return verdict.isCurrent ? null : verdict.user
}

/**
 * Reads a file with a user's rights. That happens in a child process which has no others: root that opens a path on a
 * user's behalf can be led astray by links which that user lays.
 */
export async function readAsUser(
  user: User,
  commandId: string,
  range: FileRange,
  {
    take,
    allow,
    signal,
  }: { take: (bytes: Uint8Array) => Promise<void>; allow: AllowOpened; signal: AbortSignal },
): Promise<{ size: number }> {
  const words = withWords()
  const child = start(user, commandId, null, words, signal)
  words.say({ kind: 'read', range })
  const first = await words.next()
  if (first.kind !== 'opened') throw unexpected(first)
  await allowOrKill(first.path, allow, child)
  words.say({ kind: 'go-on' })
  for await (const block of child.stdout ?? []) {
    if (block instanceof Uint8Array) await take(block)
  }
  const last = await words.next()
  if (last.kind === 'read') return { size: last.size }
  throw unexpected(last)
}

/** Writes a file with a user's rights; the content comes to the child as an open file. */
export async function writeAsUser(
  user: User,
  request: WriteRequest,
  contentPath: string | null,
  { journal, allow, signal }: { journal: WriteJournal; allow: AllowOpened; signal: AbortSignal },
): Promise<WriteAnswer> {
  const words = withWords()
  const child = start(user, request.commandId, contentPath, words, signal)
  words.say({ kind: 'write', request, staged: journal.staged, hasContent: contentPath !== null })
  let word = await words.next()
  if (word.kind === 'opened') {
    await allowOrKill(word.path, allow, child)
    words.say({ kind: 'go-on' })
    word = await words.next()
  }
  if (word.kind === 'staged') {
    await journal.record(word.staged)
    words.say({ kind: 'go-on' })
    word = await words.next()
  }
  if (word.kind === 'written') return word.answer
  throw unexpected(word)
}

async function allowOrKill(path: string, allow: AllowOpened, child: ChildProcess): Promise<void> {
  try {
    await allow(path)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** The conversation with a child, as questions and answers. */
interface Words {
  open: (stream: Duplex) => void
  say: (word: ToChild) => void
  next: () => Promise<FromChild>
}

function withWords(): Words {
  const heard: FromChild[] = []
  let wake: (() => void) | undefined
  let isOver = false
  let channel: LineChannel | undefined
  const over = () => {
    isOver = true
    wake?.()
  }
  return {
    open: (stream) => {
      channel = openLineChannel(stream, 64 * 1024, (json) => {
        heard.push(FromChild.parse(json))
        wake?.()
      })
      void channel.closed.then(over)
    },
    say: (word) => channel?.send(word),
    next: async () => {
      for (;;) {
        const word = heard.shift()
        if (word !== undefined) return word
        if (isOver) throw new OperationFailure('child-failed', childFailed)
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        await promise
      }
    },
  }
}

const childFailed =
  'the process that does it as that user ended without an answer; can that user execute the agent’s files and its Node?'

/** The child ends with us: when we die, its channel closes, and it goes no further. */
function start(
  user: User,
  commandId: string,
  contentPath: string | null,
  words: Words,
  signal: AbortSignal,
): ChildProcess {
  signal.throwIfAborted()
  const main = fileURLToPath(new URL('as-user-main.ts', import.meta.url))
  const [program, ...argv] = becomeUser(user, [process.execPath, '--no-warnings', main])
  const content = openSync(contentPath ?? '/dev/null', 'r')
  try {
    const child = spawn(program, argv, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', HOME: user.home, SAHARA_COMMAND_ID: commandId },
      stdio: [content, 'pipe', 'ignore', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    })
    // Without the program, the channel closes as well, and that is reported.
    child.on('error', () => {})
    const stream = child.stdio[3]
    if (stream instanceof Duplex) words.open(stream)
    return child
  } finally {
    closeSync(content)
  }
}

function unexpected(word: FromChild): OperationFailure {
  if (word.kind === 'failed') return new OperationFailure(word.reason.code, word.reason.message)
  return new OperationFailure('child-failed', childFailed)
}
