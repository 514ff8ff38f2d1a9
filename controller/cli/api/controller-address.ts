import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import { ConfigInvalidError } from '../../../protocol/errors.ts'
import { inPlainWords } from '../../../protocol/plain-words.ts'
import { defaultStateDirectory, socketPathOf } from '../../config.ts'
import { LocalFileError, UsageError } from '../errors.ts'
import type { Terminal } from '../terminal.ts'

/** Where the controller's API answers. */
export type ControllerAddress =
  | { kind: 'socket'; socketPath: string }
  | { kind: 'url'; url: string; token: string | null }

const path = z.string().min(1).max(4096)
const url = z.url({ protocol: /^https?$/, error: 'use a URL such as https://controller:8443' })

/** The options that every command which talks to the controller has. */
export const connectionShape = {
  socket: z.exactOptional(path),
  url: z.exactOptional(url),
  tokenFile: z.exactOptional(path),
  json: z.boolean().default(false),
} as const
export const ConnectionOptions = z.object(connectionShape)
export type ConnectionOptions = z.output<typeof ConnectionOptions>

const Environment = z.object({
  SAHARA_CONTROLLER_SOCKET: z.exactOptional(path),
  SAHARA_CONTROLLER_URL: z.exactOptional(url),
  SAHARA_CONTROLLER_TOKEN_FILE: z.exactOptional(path),
})

/**
 * The command line counts before the environment, and the environment before the default socket.
 *
 * @throws {UsageError} a socket and a URL are named both.
 * @throws {ConfigInvalidError} a variable is wrong, or others may read the token file.
 */
export async function findController(
  options: ConnectionOptions,
  terminal: Pick<Terminal, 'env' | 'isRoot'>,
): Promise<ControllerAddress> {
  const env = parseEnvironment(terminal.env)
  if (options.socket !== undefined && options.url !== undefined) {
    throw new UsageError('--socket and --url name two controllers; give one of them')
  }
  const fromEnv = options.socket === undefined && options.url === undefined
  const socketPath = options.socket ?? (fromEnv ? env.SAHARA_CONTROLLER_SOCKET : undefined)
  const found = options.url ?? (fromEnv ? env.SAHARA_CONTROLLER_URL : undefined)
  if (found === undefined) {
    return { kind: 'socket', socketPath: socketPath ?? defaultSocketPath(terminal) }
  }
  if (socketPath !== undefined) {
    throw new UsageError(
      'SAHARA_CONTROLLER_SOCKET and SAHARA_CONTROLLER_URL are both set; unset one',
    )
  }
  const tokenFile = options.tokenFile ?? env.SAHARA_CONTROLLER_TOKEN_FILE
  const token = tokenFile === undefined ? null : await readToken(tokenFile)
  return { kind: 'url', url: found, token }
}

/** What a message calls the controller. */
export function describeAddress(address: ControllerAddress): string {
  return address.kind === 'socket' ? address.socketPath : new URL(address.url).origin
}

function defaultSocketPath({ env, isRoot }: Pick<Terminal, 'env' | 'isRoot'>): string {
  return socketPathOf({ stateDirectory: defaultStateDirectory(env, isRoot) })
}

function parseEnvironment(env: Terminal['env']): z.output<typeof Environment> {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => Boolean(value)))
  const parsed = Environment.safeParse(set, { error: inPlainWords })
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues.at(0)
  throw new ConfigInvalidError(`environment variable ${issue?.path.join('.')}: ${issue?.message}`)
}

/** The token opens the whole controller: as ssh does with keys, a file that others may read is refused. */
async function readToken(file: string): Promise<string> {
  try {
    if (((await stat(file)).mode & 0o077) !== 0) {
      throw new ConfigInvalidError(
        `others may read the token file ${file}; run \`chmod 600\` on it`,
      )
    }
    const token = (await readFile(file, 'utf8')).trim()
    if (/^[\x21-\x7e]+$/.test(token)) return token
  } catch (cause) {
    if (cause instanceof ConfigInvalidError) throw cause
    throw new LocalFileError('read the token file', file, cause)
  }
  throw new ConfigInvalidError(`the token file ${file} holds no token: one line of visible ASCII`)
}
