import { SaharaAgentError } from '../protocol/errors.ts'

/** The database file cannot be opened: no permission, damaged, or of a newer version than this program. */
export class DatabaseUnusableError extends SaharaAgentError {
  readonly code = 'ERR_DATABASE_UNUSABLE'
}

/** Another queue service has this database open; two would not hear of each other's messages. */
export class DatabaseInUseError extends SaharaAgentError {
  readonly code = 'ERR_DATABASE_IN_USE'

  constructor(database: string, options?: ErrorOptions) {
    super(`another queue service uses ${database}; stop it, or name another file`, options)
  }
}

/** The port is another program's. */
export class PortTakenError extends SaharaAgentError {
  readonly code = 'ERR_PORT_TAKEN'

  constructor(host: string, port: number, options?: ErrorOptions) {
    super(`port ${port} on ${host} is taken; stop what uses it, or choose another port`, options)
  }
}

/** The address cannot be listened on, for another reason than a port that is taken. */
export class CannotListenError extends SaharaAgentError {
  readonly code = 'ERR_CANNOT_LISTEN'
}

/** A file with a secret can be read by others, is empty, or is no file; the service does not start with it. */
export class SecretFileUnsafeError extends SaharaAgentError {
  readonly code = 'ERR_SECRET_FILE_UNSAFE'
}
