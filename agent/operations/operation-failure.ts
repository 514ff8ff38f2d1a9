import type { Reason } from '../../protocol/messages/replies.ts'
import { errnoOf } from '../runner/command-record.ts'

/** An operation cannot do what was asked: its result is `failed`, with this as the reason. Never leaves the operation. */
export class OperationFailure extends Error {
  readonly reason: Reason

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = { code, message: message.slice(0, 4096) }
  }
}

/** The operation will not do what was asked: its result is `refused`. */
export class OperationRefusal extends OperationFailure {
  /** Which rule of the policy refused it. */
  readonly rule: string | undefined

  constructor(code: string, message: string, { rule }: { rule?: string } = {}) {
    super(code, message)
    this.rule = rule
  }
}

/** Says in our words why something about `path` went wrong. Pure. */
export function explainFailure(error: unknown, path: string): Reason {
  if (error instanceof OperationFailure) return error.reason
  const errno = errnoOf(error) ?? 'unknown error'
  const [code, message] = explanations.get(errno) ?? ['io-error', 'the system refused it']
  return { code, message: `"${path}": ${message} (${errno})`.slice(0, 4096) }
}

const explanations = new Map<string, readonly [string, string]>([
  ['ENOENT', ['no-such-file', 'there is no such file']],
  ['ENOTDIR', ['no-such-directory', 'a part of the path is not a directory']],
  ['EISDIR', ['is-directory', 'it is a directory']],
  ['EACCES', ['permission-denied', 'the user may not do that']],
  ['EPERM', ['permission-denied', 'the user may not do that']],
  ['ENOSPC', ['no-space', 'the disk is full; free some space']],
  ['EDQUOT', ['no-space', 'the quota is used up; free some space']],
  ['EROFS', ['read-only-file-system', 'the file system is mounted read-only']],
  ['ELOOP', ['too-many-links', 'too many symbolic links']],
  ['ENAMETOOLONG', ['path-too-long', 'the path is too long']],
  ['EBUSY', ['file-busy', 'something is mounted on it; it cannot be replaced']],
  ['EFBIG', ['file-too-large', 'the file system takes no file of this size']],
])
