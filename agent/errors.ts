import { SaharaAgentError } from '../protocol/errors.ts'

/** Another agent holds this state directory; two would run each command twice. */
export class StateLockedError extends SaharaAgentError {
  readonly code = 'ERR_STATE_LOCKED'
}

/** The journal cannot be opened: damaged, of a newer version, or not ours to write. Nothing may run without it. */
export class JournalUnusableError extends SaharaAgentError {
  readonly code = 'ERR_JOURNAL_UNUSABLE'
}

/** The journal did not take a change (a full or failing disk); nothing of that change is kept. */
export class JournalWriteError extends SaharaAgentError {
  readonly code = 'ERR_JOURNAL_WRITE'
}

/** A file of the agent's own (identity, credentials) is not what it wrote. The message names the file. */
export class StateFileInvalidError extends SaharaAgentError {
  readonly code = 'ERR_STATE_FILE_INVALID'
}

/** No agent answers on the state directory's socket. */
export class AgentNotRunningError extends SaharaAgentError {
  readonly code = 'ERR_AGENT_NOT_RUNNING'
}

/** A line could not be written to the audit log; what it would have told must not be done. */
export class AuditUnavailableError extends SaharaAgentError {
  readonly code = 'ERR_AUDIT_UNAVAILABLE'
}

/** The audit log is not what the agent wrote: lines were changed, left out or cut off (the message names the first), or all. */
export class AuditBrokenError extends SaharaAgentError {
  readonly code = 'ERR_AUDIT_BROKEN'
}

/** The policy file is none: the agent refuses everything with it. The message names the line. */
export class PolicyInvalidError extends SaharaAgentError {
  readonly code = 'ERR_POLICY_INVALID'
}

/** The audit log holds no line about the command that was asked for. */
export class CommandNotFoundError extends SaharaAgentError {
  readonly code = 'ERR_COMMAND_NOT_FOUND'
}

/** What the agent keeps for its own user cannot be read by the one that asks. */
export class FileUnreadableError extends SaharaAgentError {
  readonly code = 'ERR_LOCAL_FILE'
}
