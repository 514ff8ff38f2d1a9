/**
 * Every code that a program can meet and branch on. Each is explained in `docs/errors.md`;
 * a test keeps the two lists equal, both ways.
 */
export type ErrorCode = (typeof errorCodes)[number]

/** The same codes as values, in alphabetical order. */
export const errorCodes = [
  'ERR_CONFIG_INVALID',
  'ERR_MESSAGE_MALFORMED',
  'ERR_MESSAGE_VERSION',
  'ERR_SEAL_BROKEN',
  'ERR_SIGNED_URL_EXPIRED',
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
