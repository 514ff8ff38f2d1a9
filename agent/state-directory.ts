import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { ConfigInvalidError } from '../protocol/errors.ts'
import { StateFileInvalidError } from './errors.ts'

/** Where things lie under the state directory. */
export interface StatePaths {
  journal: string
  identity: string
  credentials: string
  commands: string
  audit: string
  statusSocket: string
}

/** A Unix socket's path is at most 107 bytes on Linux (unix(7)). */
const socketPathLimitBytes = 107

/**
 * Makes the state directory, for this user only.
 *
 * @throws {ConfigInvalidError} it cannot be made, or its path is too long for a socket.
 */
export async function prepareStateDirectory(directory: string): Promise<StatePaths> {
  const paths = statePaths(directory)
  try {
    await mkdir(paths.commands, { recursive: true, mode: 0o700 })
    await chmod(directory, 0o700)
    await chmod(paths.commands, 0o700)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigInvalidError(`stateDirectory: cannot use ${directory}: ${why}`, { cause })
  }
  return paths
}

/** @throws {ConfigInvalidError} the path is too long for a socket. */
export function statePaths(directory: string): StatePaths {
  const statusSocket = join(directory, 'agent.sock')
  // The runner's socket is the longest of all.
  if (Buffer.byteLength(join(directory, 'runner.sock')) > socketPathLimitBytes) {
    throw new ConfigInvalidError(
      `stateDirectory: ${directory} is too long for a Unix socket in it; use a shorter path`,
    )
  }
  return {
    journal: join(directory, 'agent.db'),
    identity: join(directory, 'identity.json'),
    credentials: join(directory, 'credentials.json'),
    commands: join(directory, 'commands'),
    audit: join(directory, 'audit'),
    statusSocket,
  }
}

/**
 * Replaces a file by one with mode 0600, whole and flushed, or not at all.
 */
export async function writeStateFile<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  value: z.output<Schema>,
): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    await writeFlushed(beside, `${JSON.stringify(z.encode(schema, value), null, 2)}\n`)
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
  await flushDirectory(dirname(path))
}

/**
 * Reads a file that `writeStateFile` wrote; `undefined` when there is none.
 *
 * @throws {StateFileInvalidError} it breaks its schema; the message names the key, never the value.
 */
export async function readStateFile<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.output<Schema> | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (isMissingFile(error)) return undefined
    throw error
  }
  const parsed = schema.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  const keys = parsed.error.issues.map((issue) => issue.path.join('.') || '(root)')
  throw new StateFileInvalidError(
    `${path} is damaged at ${keys.slice(0, 4).join(', ')}; restore it, or remove it to enrol anew`,
  )
}

/** Whether a file could not be opened because it does not exist. */
export function isMissingFile(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** Makes names in a directory (a rename, a new file) survive a power loss. */
async function flushDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writeFlushed(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
