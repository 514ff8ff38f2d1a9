import { SaharaAgentError } from '../../protocol/errors.ts'

/** The command line is wrong; the message names the option or the argument. */
export class UsageError extends SaharaAgentError {
  readonly code = 'ERR_USAGE'
}

/** Nobody answers at the controller's address, or it went away meanwhile. Trying again is safe for what only reads. */
export class ControllerUnreachableError extends SaharaAgentError {
  readonly code = 'ERR_CONTROLLER_UNREACHABLE'
}

/** Something answered that does not speak this version's API. */
export class ControllerReplyUnparsableError extends SaharaAgentError {
  readonly code = 'ERR_CONTROLLER_REPLY_UNPARSABLE'
}

/** The API refused a request (RFC 9457); `problemCode` is the API's own code (docs/errors.md). */
export class ControllerRefusedError extends SaharaAgentError {
  readonly code = 'ERR_CONTROLLER_REFUSED'
  readonly problemCode: string
  readonly status: number

  constructor(detail: string, problemCode: string, status: number) {
    super(detail)
    this.problemCode = problemCode
    this.status = status
  }
}

/** A file on this machine could not be read or written. */
export class LocalFileError extends SaharaAgentError {
  readonly code = 'ERR_LOCAL_FILE'

  constructor(doing: string, path: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message.replace(/, [a-z]+ '.*$/s, '') : String(cause)
    super(`cannot ${doing} ${path}: ${why}; check the path and its permissions`, { cause })
  }
}

/** What arrived is not what was sent; nothing was put in its place. */
export class TransferCorruptError extends SaharaAgentError {
  readonly code = 'ERR_TRANSFER_CORRUPT'
}

/** The instance did not read or write the file; the message says why. */
export class TransferFailedError extends SaharaAgentError {
  readonly code = 'ERR_TRANSFER_FAILED'
}
