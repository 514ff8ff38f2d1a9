/**
 * Every code that a program can meet and branch on. Each is explained in `docs/errors.md`;
 * a test keeps the two lists equal, both ways.
 */
export type ErrorCode = (typeof errorCodes)[number]

/** The same codes as values, in alphabetical order. */
export const errorCodes = [
  'ERR_AGENT_NOT_RUNNING',
  'ERR_API_UNAUTHORIZED',
  'ERR_AUDIT_BROKEN',
  'ERR_AUDIT_UNAVAILABLE',
  'ERR_BODY_TOO_LARGE',
  'ERR_CANNOT_LISTEN',
  'ERR_CATALOGUE_MISS',
  'ERR_CLAIM_LOST',
  'ERR_CLOUD_INVALID',
  'ERR_CLUSTER_EXISTS',
  'ERR_CLUSTER_NOT_FOUND',
  'ERR_COMMAND_ENDED',
  'ERR_COMMAND_NOT_FOUND',
  'ERR_CONFIG_INVALID',
  'ERR_CONTENT_NOT_FOUND',
  'ERR_CONTROLLER_REFUSED',
  'ERR_CONTROLLER_REPLY_UNPARSABLE',
  'ERR_CONTROLLER_UNREACHABLE',
  'ERR_DATABASE_IN_USE',
  'ERR_DATABASE_UNUSABLE',
  'ERR_IDEMPOTENCY_CONFLICT',
  'ERR_INSTANCE_NOT_ENROLLED',
  'ERR_INSTANCE_NOT_FOUND',
  'ERR_INTERNAL',
  'ERR_JOURNAL_UNUSABLE',
  'ERR_JOURNAL_WRITE',
  'ERR_KEYSTONE_REFUSED',
  'ERR_KEYSTONE_SCOPE',
  'ERR_KEYSTONE_UNREACHABLE',
  'ERR_LIMIT_REACHED',
  'ERR_LOCAL_FILE',
  'ERR_MESSAGE_MALFORMED',
  'ERR_MESSAGE_TOO_LARGE',
  'ERR_MESSAGE_VERSION',
  'ERR_OUTPUT_REMOVED',
  'ERR_POLICY_INVALID',
  'ERR_PORT_TAKEN',
  'ERR_QUEUE_BAD_REQUEST',
  'ERR_QUEUE_CONFLICT',
  'ERR_QUEUE_FORBIDDEN',
  'ERR_QUEUE_NOT_FOUND',
  'ERR_QUEUE_RATE_LIMITED',
  'ERR_QUEUE_REPLY_UNPARSABLE',
  'ERR_QUEUE_UNAUTHORIZED',
  'ERR_QUEUE_UNAVAILABLE',
  'ERR_QUEUE_UNREACHABLE',
  'ERR_REQUEST_INVALID',
  'ERR_ROUTE_NOT_FOUND',
  'ERR_RUNNER_OUTDATED',
  'ERR_RUNNER_UNREACHABLE',
  'ERR_SEAL_BROKEN',
  'ERR_SECRET_FILE_UNSAFE',
  'ERR_SIGNED_URL_EXPIRED',
  'ERR_SIGNED_URL_REFUSED',
  'ERR_SPOOL_BROKEN',
  'ERR_STATE_FILE_INVALID',
  'ERR_STATE_LOCKED',
  'ERR_STORE_UNUSABLE',
  'ERR_STORE_WRITE',
  'ERR_TRANSFER_CORRUPT',
  'ERR_TRANSFER_FAILED',
  'ERR_USAGE',
  'ERR_USER_DATA_TOO_LARGE',
] as const

/**
 * The parent of every error that we throw on purpose. Programs branch on `code`, people read `message`.
 * A message says what happened, to what, and what to do next; it never holds a key or a signature.
 */
export abstract class SaharaAgentError extends Error {
  abstract readonly code: ErrorCode

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** A person's input (a file, a flag, the environment) does not fit its schema; the message names the key. */
export class ConfigInvalidError extends SaharaAgentError {
  readonly code = 'ERR_CONFIG_INVALID'
}
