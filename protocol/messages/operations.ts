import { z } from 'zod'
import { SealedSecrets } from './secrets.ts'
import { Bytes } from './wire-types.ts'

/**
 * The operations of DESIGN.md as raw shapes: a message from a peer wraps a shape in `z.looseObject`, so that an old
 * agent survives a new field; what people write wraps it in `z.strictObject`, so that a misspelt key is an error.
 */

const path = z.string().min(1).max(4096)
const user = z.string().min(1).max(256)

/** Largest number of bytes that one `stdin` operation, or one chunk of a command's content, carries. */
export const chunkLimitBytes = 180 * 1024

/** Sealing makes four bytes of three, and adds at most this: header, nonce, tag, and the frame of the POST. */
const chunkFrameBytes = 1024

/** The same where one POST carries less than Zaqar's default, in bytes. */
export function chunkBytesWithin(postLimitBytes: number): number {
  const room = Math.floor(((postLimitBytes - chunkFrameBytes) * 3) / 4)
  return Math.min(chunkLimitBytes, Math.max(256, room))
}

/** Largest total size of argv, script and environment in one command; a longer script travels as the command's content. */
export const inlineLimitBytes = 96 * 1024

/** Runs a program: `argv` as it is, or `script` (or the command's content) through `interpreter`. Exactly one of the three. */
export const execShape = {
  name: z.literal('exec'),
  argv: z.exactOptional(z.array(z.string()).min(1).max(4096)),
  /** Text that `interpreter` runs from a file of its own. */
  script: z.exactOptional(z.string().min(1)),
  /** The program, with its first arguments, that gets the script's path as its last argument. */
  interpreter: z.array(z.string().min(1)).min(1).max(16).default(['/bin/sh']),
  /** What the command's content (if it has one) is: the script, or the whole of standard input. */
  contentIs: z.exactOptional(z.enum(['script', 'stdin'])),
  /** Added to the agent's clean environment (PATH, HOME, USER, LOGNAME, SHELL, LANG, SAHARA_COMMAND_ID). */
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
  /** Each is found at the path in its variable (`secretVariable`), and is redacted from the output. */
  secrets: z.exactOptional(SealedSecrets),
  /** Default: the user's home directory. */
  cwd: z.exactOptional(path),
  /** Default: the user the agent runs as. */
  user: z.exactOptional(user),
  /** `none`: /dev/null (or the content, where `contentIs` is `stdin`). `open`: fed by `stdin` operations. */
  stdin: z.enum(['none', 'open']).default('none'),
  /** Runs on a terminal; stdout and stderr are one stream then. */
  pty: z.boolean().default(false),
} as const

/** Puts the command's content into a file; the file appears whole, by an atomic rename, or not at all. */
export const writeShape = {
  name: z.literal('write'),
  path,
  /** `replace` makes or replaces; `create` fails when the file exists; the others keep what is there. */
  placement: z.enum(['replace', 'create', 'append', 'prepend']).default('replace'),
  /** Octal, such as `0644`. Default: the mode the file has, or 0644 for a new one. */
  mode: z.exactOptional(z.string().regex(/^[0-7]{3,4}$/)),
  /** `user`, `user:group` or `:group`, by name or number. Default: the owner the file has, or the user that writes. */
  owner: z.exactOptional(z.string().regex(/^[A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?$/)),
  /** As whom. Default: the user the agent runs as. */
  user: z.exactOptional(user),
} as const

/** Sends a file, or a range of it, back as `output` on the stream `content`. */
export const readShape = {
  name: z.literal('read'),
  path,
  /** First byte wanted. */
  offset: z.int().min(0).default(0),
  /** At most this many bytes; default: to the end. */
  limitBytes: z.exactOptional(z.int().min(0)),
  user: z.exactOptional(user),
} as const

/** Makes an HTTP request inside the guest; the command's content is the body, the reply's body is `output` on `content`. */
export const httpShape = {
  name: z.literal('http'),
  method: z
    .string()
    .regex(/^[A-Z]+$/)
    .default('GET'),
  url: z.url({ protocol: /^https?$/ }),
  headers: z.array(z.tuple([z.string(), z.string()])).default([]),
} as const

/** Feeds a running `exec` whose `stdin` is `open`. Chunks carry their offset, so that one that comes twice is used once. */
export const stdinShape = {
  name: z.literal('stdin'),
  /** The id of the `exec` command. */
  target: z.uuid(),
  offset: z.int().min(0),
  bytes: Bytes,
  /** Closes standard input after these bytes. */
  end: z.boolean().default(false),
} as const

/** Ends a command: TERM to its whole process tree, KILL after the grace period. */
export const cancelShape = {
  name: z.literal('cancel'),
  target: z.uuid(),
  /** Seconds between TERM and KILL. */
  graceSeconds: z.number().min(0).max(3600).default(10),
} as const

/** Asks the agent how it is. */
export const pingShape = { name: z.literal('ping') } as const

export const ExecOperation = z.looseObject(execShape)
export const WriteOperation = z.looseObject(writeShape)
export const ReadOperation = z.looseObject(readShape)
export const HttpOperation = z.looseObject(httpShape)
export const StdinOperation = z.looseObject(stdinShape)
export const CancelOperation = z.looseObject(cancelShape)
export const PingOperation = z.looseObject(pingShape)
export type ExecOperation = z.output<typeof ExecOperation>
export type WriteOperation = z.output<typeof WriteOperation>
export type ReadOperation = z.output<typeof ReadOperation>
export type HttpOperation = z.output<typeof HttpOperation>
export type StdinOperation = z.output<typeof StdinOperation>
export type CancelOperation = z.output<typeof CancelOperation>
