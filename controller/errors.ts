import { SaharaAgentError } from '../protocol/errors.ts'

/** A piece of a request that breaks its schema. */
export interface InvalidPart {
  /** Such as `operation.argv.0`; `(root)` for the whole. */
  path: string
  message: string
}

/** A request breaks its schema, or is no JSON; `parts` name what is wrong with which key. */
export class RequestInvalidError extends SaharaAgentError {
  readonly code = 'ERR_REQUEST_INVALID'
  readonly parts: readonly InvalidPart[]

  constructor(message: string, parts: readonly InvalidPart[] = [], options?: ErrorOptions) {
    super(message, options)
    this.parts = parts
  }
}

/** The API has no such path, or not with this method. */
export class RouteNotFoundError extends SaharaAgentError {
  readonly code = 'ERR_ROUTE_NOT_FOUND'
}

/** The request shows no bearer token, or a wrong one. */
export class ApiUnauthorizedError extends SaharaAgentError {
  readonly code = 'ERR_API_UNAUTHORIZED'
}

/** No cluster has this name or id, or it was deleted. */
export class ClusterNotFoundError extends SaharaAgentError {
  readonly code = 'ERR_CLUSTER_NOT_FOUND'

  constructor(cluster: string) {
    super(`no cluster "${cluster}"; list the clusters to see their names`)
  }
}

/** A cluster of this name exists already. */
export class ClusterExistsError extends SaharaAgentError {
  readonly code = 'ERR_CLUSTER_EXISTS'

  constructor(name: string) {
    super(`the cluster "${name}" exists already; choose another name, or delete it first`)
  }
}

/** The cluster has no instance of this name or id, or it was forgotten. */
export class InstanceNotFoundError extends SaharaAgentError {
  readonly code = 'ERR_INSTANCE_NOT_FOUND'

  constructor(cluster: string, instance: string) {
    super(
      `cluster "${cluster}" has no instance "${instance}"; list its instances to see their names`,
    )
  }
}

/** The instance has no pinned key yet, so that nothing can be sealed to it. */
export class InstanceNotEnrolledError extends SaharaAgentError {
  readonly code = 'ERR_INSTANCE_NOT_ENROLLED'

  constructor(instance: string) {
    super(`instance "${instance}" has not enrolled yet; wait until its agent has started`)
  }
}

/** A command is for all of a cluster, of which no instance has enrolled. */
export class NoInstanceEnrolledError extends SaharaAgentError {
  readonly code = 'ERR_INSTANCE_NOT_ENROLLED'

  constructor() {
    super(
      'no instance of this cluster has enrolled yet; list its instances, and wait until an agent has started',
    )
  }
}

/** No command has this id; it may have been removed after its time of retention. */
export class CommandNotFoundError extends SaharaAgentError {
  readonly code = 'ERR_COMMAND_NOT_FOUND'

  constructor(id: string) {
    super(`no command "${id}"; it may have been removed after its time of retention`)
  }
}

/** The command has ended, so that nothing more can be fed to it. */
export class CommandEndedError extends SaharaAgentError {
  readonly code = 'ERR_COMMAND_ENDED'

  constructor(id: string, state: string) {
    super(`command ${id} has ended (${state}) and takes no more input`)
  }
}

/** The command's output was removed after its time of retention, or to make room. */
export class OutputRemovedError extends SaharaAgentError {
  readonly code = 'ERR_OUTPUT_REMOVED'

  constructor(id: string) {
    super(`the output of command ${id} was removed (retention); its record is still there`)
  }
}

/** The idempotency key was used before, for another command. */
export class IdempotencyConflictError extends SaharaAgentError {
  readonly code = 'ERR_IDEMPOTENCY_CONFLICT'

  constructor() {
    super('this Idempotency-Key was used before with another body; take a fresh key')
  }
}

/** No content of this digest is stored. */
export class ContentNotFoundError extends SaharaAgentError {
  readonly code = 'ERR_CONTENT_NOT_FOUND'

  constructor(sha256: string, options?: ErrorOptions) {
    super(`no content ${sha256} is stored here; store it first with POST /v1/contents`, options)
  }
}

/** More bytes than one request may carry. */
export class BodyTooLargeError extends SaharaAgentError {
  readonly code = 'ERR_BODY_TOO_LARGE'
}

/** A bound of the configuration is reached (`limits`). */
export class LimitReachedError extends SaharaAgentError {
  readonly code = 'ERR_LIMIT_REACHED'
}

/** Another controller uses this state directory. */
export class StateLockedError extends SaharaAgentError {
  readonly code = 'ERR_STATE_LOCKED'
}

/** The store cannot be opened as it is: a newer version, a key that is missing or does not fit, a damaged file. */
export class StoreUnusableError extends SaharaAgentError {
  readonly code = 'ERR_STORE_UNUSABLE'
}

/** The store did not take a change (a full disk, an I/O error); nothing of it is kept, and it may be tried again. */
export class StoreWriteError extends SaharaAgentError {
  readonly code = 'ERR_STORE_WRITE'
}

/** A socket or a port cannot be listened on: it is in use, or it may not be used. */
export class CannotListenError extends SaharaAgentError {
  readonly code = 'ERR_CANNOT_LISTEN'
}
