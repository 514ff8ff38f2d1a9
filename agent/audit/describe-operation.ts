import type { Command } from '../../protocol/messages/command.ts'
import { Operation } from '../../protocol/messages/command.ts'
import type { Credentials } from '../../protocol/messages/credentials.ts'
import type { ExecOperation } from '../../protocol/messages/operations.ts'
import { isInterpreter } from '../policy/interpreters.ts'
import { cutText, digestOf } from './cut-text.ts'
import { redactWords } from './redact-words.ts'

/** How words of commands enter the log: redacted, or as one digest only. */
export type ShownArguments = 'redacted' | 'digest'

/**
 * What an audit line says of a command's operation: never a script, a file's bytes, a variable's value, or input; those are
 * named by size and digest. Pure.
 */
export function describeOperation(
  { operation, content }: Pick<Command, 'operation' | 'content'>,
  shown: ShownArguments,
): Record<string, unknown> {
  const name = operation.name
  const parsed = Operation.safeParse(operation)
  if (!parsed.success) return { operation: name, malformed: true }
  const bytes = content ? { content: { size: content.size, sha256: content.sha256 } } : {}
  return { operation: name, ...describeFields(parsed.data, shown), ...bytes }
}

function describeFields(operation: Operation, shown: ShownArguments): Record<string, unknown> {
  switch (operation.name) {
    case 'exec':
      return describeExec(operation, shown)
    case 'write': {
      const { path, placement, mode, owner, user } = operation
      return { path: cutText(path), placement, mode, owner, user }
    }
    case 'read': {
      const { path, offset, limitBytes, user } = operation
      return { path: cutText(path), offset, limitBytes, user }
    }
    case 'http': {
      // User, password and query of a URL may be secrets.
      const { origin, pathname } = new URL(operation.url)
      return { method: operation.method, url: cutText(`${origin}${pathname}`) }
    }
    case 'stdin': {
      const { target, offset, bytes, end } = operation
      return { target, offset, bytes: bytes.length, end }
    }
    case 'cancel':
      return { target: operation.target }
    case 'credentials':
      return describeCredentials(operation.credentials)
    case 'ping':
      return {}
  }
}

/** Where they lead, and until when all of them hold; signatures are secrets. */
function describeCredentials(credentials: Credentials): Record<string, unknown> {
  const { endpoint, gateway, claim, acknowledge, reply, lobby } = credentials
  const [first] = [claim, acknowledge, reply, lobby].map(({ expires }) => expires).toSorted()
  return {
    endpoint: cutText(new URL(endpoint).origin),
    ...(gateway === undefined ? {} : { gateway: cutText(new URL(gateway).origin) }),
    expires: `${first}Z`,
  }
}

function describeExec(
  { argv, script, interpreter, env, secrets, cwd, user, stdin, contentIs, pty }: ExecOperation,
  shown: ShownArguments,
): Record<string, unknown> {
  const names = Object.keys(env)
  return {
    ...(argv === undefined ? describeInterpreter(interpreter) : describeArgv(argv, shown)),
    ...(script === undefined ? {} : { script: digestOf(script) }),
    ...(names.length === 0 ? {} : { environment: names.slice(0, wordsLimit).map(cutText) }),
    ...(names.length > wordsLimit ? { variables: describeAll(names) } : {}),
    // Nothing of the values: a digest of a short one could be guessed at.
    ...(secrets === undefined ? {} : { secrets: Object.keys(secrets) }),
    user,
    cwd: cwd === undefined ? undefined : cutText(cwd),
    ...(stdin === 'open' ? { stdin } : {}),
    ...(contentIs === undefined ? {} : { contentIs }),
    ...(pty ? { pty } : {}),
  }
}

const wordsLimit = 32

function describeArgv(argv: readonly string[], shown: ShownArguments): Record<string, unknown> {
  const [program = '', ...words] = argv
  const whole = { argv: argv.length, ...digestOf(argv.join('\0')) }
  const runsText = isInterpreter(program.slice(program.lastIndexOf('/') + 1))
  // What a shell is given is a script.
  if (shown === 'digest' || runsText) return { program: cutText(program), words: whole }
  const first = redactWords(words.slice(0, wordsLimit))
  return { program: cutText(program), argv: [program, ...first].map(cutText), words: whole }
}

function describeInterpreter(interpreter: readonly string[]): Record<string, unknown> {
  return {
    interpreter: interpreter.slice(0, wordsLimit).map(cutText),
    ...(interpreter.length > wordsLimit ? { interpreterWords: describeAll(interpreter) } : {}),
  }
}

/** Names all of what is too much to show. */
function describeAll(words: readonly string[]): Record<string, unknown> {
  return { count: words.length, ...digestOf(words.join('\0')) }
}
