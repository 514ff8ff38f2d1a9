import { type ErrorCode, SaharaAgentError } from '../errors.ts'

/** The parent of all that can go wrong on the way to a token and an endpoint: one class for each step. */
export abstract class KeystoneError extends SaharaAgentError {
  abstract override readonly code: ErrorCode
}

/** Reading `clouds.yaml` or the `OS_*` variables: a file is unreadable, a cloud unknown, a key missing or not supported. */
export class CloudInvalidError extends KeystoneError {
  readonly code = 'ERR_CLOUD_INVALID'
}

/** Reaching Keystone: no whole answer came, or it was none of a working Keystone (5xx, a proxy's page). Retry. */
export class KeystoneUnreachableError extends KeystoneError {
  readonly code = 'ERR_KEYSTONE_UNREACHABLE'

  constructor(authUrl: string, problem: string, options?: ErrorOptions) {
    super(`cannot reach Keystone at ${authUrl}: ${problem}; check the address, or wait`, options)
  }
}

/** Authenticating: Keystone does not know the user or credential, or the password is wrong. */
export class KeystoneRefusedError extends KeystoneError {
  readonly code = 'ERR_KEYSTONE_REFUSED'

  constructor(authUrl: string, who: string, problem: string, options?: ErrorOptions) {
    super(
      `Keystone at ${authUrl} refused ${who} (${problem}); check name, domain and password or secret`,
      options,
    )
  }
}

/** Scoping: the user is known, but has no role in the project, or no such project exists. */
export class KeystoneScopeError extends KeystoneError {
  readonly code = 'ERR_KEYSTONE_SCOPE'

  constructor(authUrl: string, who: string, project: string, options?: ErrorOptions) {
    super(
      `Keystone at ${authUrl} knows ${who}, but gives it no token for ${project}; ` +
        'check the name and domain of the project, and that the user has a role there',
      options,
    )
  }
}

/** Reading the catalogue: it lacks the service, or has it in another region or under another interface only. */
export class CatalogueMissError extends KeystoneError {
  readonly code = 'ERR_CATALOGUE_MISS'
  readonly lacks: 'service' | 'region' | 'interface'

  constructor(lacks: 'service' | 'region' | 'interface', problem: string) {
    super(`the Keystone catalogue ${problem}`)
    this.lacks = lacks
  }
}
