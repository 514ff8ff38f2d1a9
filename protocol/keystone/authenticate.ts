import type { Dispatcher } from 'undici'
import { z } from 'zod'
import type { World } from '../world.ts'
import { QueueUnreachableError, ZaqarError } from '../zaqar/errors.ts'
import { explainConnectionFailure } from '../zaqar/explain-connection-failure.ts'
import { describeForeign, parseJson } from '../zaqar/parse-reply.ts'
import { quoteForeignText } from '../zaqar/quote-foreign-text.ts'
import { type Reply, readReply } from '../zaqar/read-reply.ts'
import { withDeadline } from '../zaqar/with-deadline.ts'
import { Catalogue } from './catalogue.ts'
import { type Cloud, describeIdentity, describeNamed, type Identity, type Named } from './cloud.ts'
import {
  type KeystoneError,
  KeystoneRefusedError,
  KeystoneScopeError,
  KeystoneUnreachableError,
} from './errors.ts'

/** What Keystone gave. */
export interface Token {
  /** A bearer secret. */
  value: string
  projectId: string
  /** From its issue to its end by Keystone's own clock, in milliseconds; ours may be wrong. */
  lifeMs: number
  catalogue: Catalogue
}

/** How Keystone is reached. */
export interface AuthenticateOptions {
  dispatcher: Dispatcher
  /** From sending to the last byte, in milliseconds. */
  requestTimeoutMs: number
}

/** A catalogue of a large cloud is some 100 KiB. */
const maxReplyBytes = 4 * 1024 * 1024

/**
 * Gets a token for the cloud's project.
 *
 * @throws {KeystoneUnreachableError} no answer, or none of a working Keystone; retry.
 * @throws {KeystoneRefusedError} wrong user, domain, password or secret.
 * @throws {KeystoneScopeError} the user is known, and has no role in the project.
 */
export async function authenticate(
  cloud: Cloud,
  options: AuthenticateOptions,
  world: Pick<World, 'sleep' | 'monotonicMs'>,
): Promise<Token> {
  const reply = await requestToken(cloud, scopeOf(cloud.identity), options, world)
  if (reply.status === 201) return readToken(cloud, reply)
  if (reply.status !== 401) throw explainAnswer(cloud, reply)
  // One and the same 401 is a wrong password and a project without a role; a token without scope tells them apart.
  const { identity, authUrl } = cloud
  if (identity.method === 'password') {
    const unscoped = await requestToken(cloud, 'unscoped', options, world)
    if (unscoped.status === 201) throw scopeError(cloud, identity.project)
  }
  throw new KeystoneRefusedError(authUrl, describeIdentity(identity), problemOf(cloud, reply))
}

type Scope = 'unscoped' | { project: Named } | undefined

function scopeOf(identity: Identity): Scope {
  return identity.method === 'password' ? { project: identity.project } : undefined
}

async function requestToken(
  cloud: Cloud,
  scope: Scope,
  { dispatcher, requestTimeoutMs }: AuthenticateOptions,
  world: Pick<World, 'sleep' | 'monotonicMs'>,
): Promise<Reply> {
  const { authUrl } = cloud
  const url = new URL(`${authUrl}/auth/tokens`)
  const action = 'get a token'
  const late = `no whole answer within ${requestTimeoutMs} ms`
  const onTimeout = () => new KeystoneUnreachableError(authUrl, late)
  return await withDeadline(
    async (signal) => {
      try {
        const response = await dispatcher.request({
          origin: url.origin,
          path: url.pathname,
          method: 'POST',
          headers: { Accept: 'application/json', 'Content-Type': 'application/json' },
          body: JSON.stringify({ auth: writeAuth(cloud.identity, scope) }),
          signal,
          headersTimeout: 0,
          bodyTimeout: 0,
        })
        return await readReply(response, { action, limitBytes: maxReplyBytes }, world)
      } catch (thrown) {
        const explained = explainConnectionFailure(action, thrown)
        if (!(explained instanceof ZaqarError)) throw explained
        const isCut = explained instanceof QueueUnreachableError
        const problem = isCut ? explained.reason : 'its answer is not HTTP, or too long'
        throw new KeystoneUnreachableError(authUrl, problem, { cause: thrown })
      }
    },
    { limitMs: requestTimeoutMs, signal: undefined, onTimeout },
    world,
  )
}

/** @see https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management */
function writeAuth(identity: Identity, scope: Scope): object {
  return {
    identity:
      identity.method === 'password'
        ? {
            methods: ['password'],
            password: { user: { ...identity.user, password: identity.password } },
          }
        : {
            methods: ['application_credential'],
            application_credential: { ...identity.credential, secret: identity.secret },
          },
    ...(scope === undefined ? {} : { scope }),
  }
}

const TokenBody = z.looseObject({
  token: z.looseObject({
    issued_at: z.coerce.date(),
    expires_at: z.coerce.date(),
    project: z.exactOptional(z.looseObject({ id: z.string().min(1) })),
    catalog: Catalogue.default([]),
  }),
})

function readToken(cloud: Cloud, reply: Reply): Token {
  const value = reply.header('x-subject-token')
  const json = parseJson(reply.bytes)
  const body = TokenBody.safeParse(json.ok ? json.value : undefined)
  if (!value || !body.success) throw explainAnswer(cloud, reply)
  const { token } = body.data
  if (token.project === undefined) {
    const { identity } = cloud
    throw scopeError(cloud, identity.method === 'password' ? identity.project : undefined)
  }
  return {
    value,
    projectId: token.project.id,
    lifeMs: token.expires_at.getTime() - token.issued_at.getTime(),
    catalogue: token.catalog,
  }
}

function scopeError({ authUrl, identity }: Cloud, project: Named | undefined): KeystoneScopeError {
  const where = project === undefined ? 'a project' : `project ${describeNamed(project)}`
  return new KeystoneScopeError(authUrl, describeIdentity(identity), where)
}

/** Whatever is neither a token nor a 401. A 4xx will not pass by itself, but an operator may mend it while we wait. */
function explainAnswer(cloud: Cloud, reply: Reply): KeystoneError {
  const { authUrl, identity } = cloud
  const problem = problemOf(cloud, reply)
  if ((reply.status === 400 || reply.status === 403) && isKeystoneError(reply)) {
    return new KeystoneRefusedError(authUrl, describeIdentity(identity), problem)
  }
  return new KeystoneUnreachableError(
    authUrl,
    `what answers is no working Keystone v3 (${problem})`,
  )
}

const KeystoneBody = z.looseObject({ error: z.looseObject({ message: z.string() }) })

function isKeystoneError(reply: Reply): boolean {
  const json = parseJson(reply.bytes)
  return json.ok && KeystoneBody.safeParse(json.value).success
}

function problemOf({ identity }: Cloud, reply: Reply): string {
  const secrets = [identity.method === 'password' ? identity.password : identity.secret]
  const json = parseJson(reply.bytes)
  const known = KeystoneBody.safeParse(json.ok ? json.value : undefined)
  if (!known.success) return describeForeign(reply, secrets)
  return `status ${reply.status}, ${quoteForeignText(known.data.error.message, secrets)}`
}
