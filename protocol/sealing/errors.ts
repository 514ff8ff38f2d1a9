import { SaharaAgentError } from '../errors.ts'

/** A message is not what it must be before any key is tried: no envelope, no header, or a payload that breaks its schema. */
export class MessageMalformedError extends SaharaAgentError {
  readonly code = 'ERR_MESSAGE_MALFORMED'
}

/** A peer of another version wrote this message; one of the two ends must be upgraded. */
export class MessageVersionError extends SaharaAgentError {
  readonly code = 'ERR_MESSAGE_VERSION'
}

/** A seal does not open: truncated, altered, forged, or meant for another key. The message is to be dropped. */
export class SealBrokenError extends SaharaAgentError {
  readonly code = 'ERR_SEAL_BROKEN'
}
