import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { World } from '../../protocol/world.ts'
import { SecretFileUnsafeError } from '../errors.ts'

/**
 * Reads a secret that only we may read; makes a file with a fresh one, mode 0600, if there is none.
 *
 * @throws {SecretFileUnsafeError} group or others may read it, it is empty, or it is no regular file.
 */
export function readOrMakeSecret(path: string, world: World): string {
  try {
    return readSecret(path)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw explain(error, path)
  }
  try {
    makeSecret(path, world)
    return readSecret(path)
  } catch (error) {
    throw explain(error, path)
  }
}

function readSecret(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    // The open file is looked at, not the path: it cannot be exchanged in between.
    const { mode } = fstatSync(file)
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) {
      throw new SecretFileUnsafeError(`${path} is not a regular file; name another one`)
    }
    if ((mode & 0o077) !== 0) {
      throw new SecretFileUnsafeError(
        `${path} holds a secret, but group or others have access to it; run: chmod 600 ${path}`,
      )
    }
    const secret = readFileSync(file, 'utf8').trim()
    if (secret.length >= 16) return secret
    throw new SecretFileUnsafeError(
      `${path} holds no secret of at least 16 characters; remove it to have a fresh one made`,
    )
  } finally {
    closeSync(file)
  }
}

/** Written aside and linked into place: the file is never there half, and never over another one. */
function makeSecret(path: string, world: World): void {
  const aside = `${path}.${Buffer.from(world.randomBytes(8)).toString('hex')}`
  const file = openSync(aside, 'wx', 0o600)
  try {
    writeFileSync(file, `${Buffer.from(world.randomBytes(32)).toString('hex')}\n`)
    fsyncSync(file)
    linkSync(aside, path)
  } catch (error) {
    // Another process was quicker: its secret is as good.
    if (!isCode(error, 'EEXIST')) throw error
  } finally {
    closeSync(file)
    rmSync(aside, { force: true })
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function explain(error: unknown, path: string): Error {
  if (error instanceof SecretFileUnsafeError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new SecretFileUnsafeError(`cannot use the secret file ${path}: ${reason}`, {
    cause: error,
  })
}
