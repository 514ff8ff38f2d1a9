import { z } from 'zod'

const text = z.string().min(1).max(4096)

/** A domain by its id or its name. */
const Domain = z.union([z.strictObject({ id: text }), z.strictObject({ name: text })])

/** Somebody by an id, or by a name in a domain. */
const Named = z.union([
  z.strictObject({ id: text }),
  z.strictObject({ name: text, domain: Domain }),
])
export type Named = z.output<typeof Named>

/** How to become somebody who may use a project's queues. */
const Identity = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('password'), user: Named, password: text, project: Named }),
  z.strictObject({
    method: z.literal('application_credential'),
    /** An application credential is bound to its project; no scope is asked for. */
    credential: z.union([
      z.strictObject({ id: text }),
      z.strictObject({ name: text, user: Named }),
    ]),
    secret: text,
  }),
])
export type Identity = z.output<typeof Identity>

/** Which of a service's endpoints is meant. */
export const EndpointInterface = z.enum(['public', 'internal', 'admin'])
export type EndpointInterface = z.output<typeof EndpointInterface>

/** All that is needed to get a token for a project of a cloud, and to find its services. It holds a secret. */
export const Cloud = z.strictObject({
  /** Keystone v3, ending in `/v3`. */
  authUrl: z.url({ protocol: /^https?$/ }),
  identity: Identity,
  /** Needed where the catalogue has a service in more than one. */
  region: z.exactOptional(text),
  interface: EndpointInterface.default('public'),
  /** A PEM file whose certificates are trusted for Keystone besides the system's. */
  certificateAuthorityFile: z.exactOptional(text),
})
export type Cloud = z.output<typeof Cloud>

/** Who authenticates, in words for an error message; never a secret. */
export function describeIdentity(identity: Identity): string {
  if (identity.method === 'password') return `user ${describeNamed(identity.user)}`
  const { credential } = identity
  return 'id' in credential
    ? `application credential ${credential.id}`
    : `application credential "${credential.name}" of user ${describeNamed(credential.user)}`
}

/** A user or a project in words. */
export function describeNamed(named: Named): string {
  if ('id' in named) return named.id
  const domain = 'id' in named.domain ? named.domain.id : named.domain.name
  return `"${named.name}" in domain "${domain}"`
}
