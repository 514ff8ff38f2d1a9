import { z } from 'zod'
import { Cloud, EndpointInterface, type Identity, type Named } from './cloud.ts'
import { CloudInvalidError } from './errors.ts'

/** YAML reads an unquoted `12345` or `true` as no text, and people write passwords like that. */
const text = z.union([z.string(), z.number(), z.boolean()]).transform(String)
const optional = z.exactOptional(text)

/**
 * A cloud as `clouds.yaml` describes it, of which we read what concerns us. The `OS_*` variables are brought into the
 * same shape.
 *
 * @see https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
 */
export const CloudSettings = z.looseObject({
  auth_type: optional,
  auth: z
    .looseObject({
      auth_url: optional,
      username: optional,
      user_id: optional,
      password: optional,
      user_domain_id: optional,
      user_domain_name: optional,
      project_id: optional,
      project_name: optional,
      tenant_id: optional,
      tenant_name: optional,
      project_domain_id: optional,
      project_domain_name: optional,
      domain_id: optional,
      domain_name: optional,
      system_scope: optional,
      default_domain: optional,
      application_credential_id: optional,
      application_credential_name: optional,
      application_credential_secret: optional,
    })
    .default({}),
  region_name: optional,
  interface: optional,
  endpoint_type: optional,
  cacert: optional,
  verify: z.exactOptional(z.union([z.boolean(), z.string()])),
  identity_api_version: optional,
})
export type CloudSettings = z.output<typeof CloudSettings>
type AuthSettings = CloudSettings['auth']

/**
 * Understands what was written about a cloud. Pure.
 *
 * @param source where it was written, for messages, such as `cloud "prod" in /etc/openstack/clouds.yaml`.
 * @throws {CloudInvalidError} something is missing, contradictory, or not supported here.
 */
export function cloudFromSettings(settings: CloudSettings, source: string): Cloud {
  const fail = (problem: string) => new CloudInvalidError(`${source}: ${problem}`)
  if (settings.verify === false || /^(false|no|0|off)$/i.test(String(settings.verify ?? ''))) {
    throw fail(
      '`verify: false` is not supported; name the authority of the certificate in `cacert`',
    )
  }
  if (!/^3?(\.\d+)?$/.test(settings.identity_api_version ?? '3')) {
    throw fail('`identity_api_version` must be 3')
  }
  const { auth_url: authUrl } = settings.auth
  if (!authUrl) throw fail('`auth_url` is missing')
  const { cacert, region_name: region } = settings
  const candidate = {
    authUrl: versionThree(authUrl),
    identity: identityFrom(settings, fail),
    interface: interfaceFrom(settings, fail),
    ...(region ? { region } : {}),
    ...(cacert ? { certificateAuthorityFile: cacert } : {}),
  }
  const parsed = Cloud.safeParse(candidate)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw fail(`${issue?.path.join('.')}: ${issue?.message}`)
}

type Fail = (problem: string) => CloudInvalidError

function identityFrom({ auth, auth_type: type = '' }: CloudSettings, fail: Fail): Identity {
  const asksForCredential = auth.application_credential_id ?? auth.application_credential_name
  if (/^(v3)?application_?credential$/.test(type) || (type === '' && asksForCredential)) {
    return credentialFrom(auth, fail)
  }
  if (type !== '' && type !== 'password' && type !== 'v3password') {
    throw fail(`auth_type "${type}" is not supported; use password or v3applicationcredential`)
  }
  if (auth.domain_id || auth.domain_name || auth.system_scope) {
    throw fail('queues belong to a project; name one instead of a domain or system scope')
  }
  const { password } = auth
  if (!password) throw fail('`password` is missing')
  return {
    method: 'password',
    user: userFrom(auth, fail),
    password,
    project: projectFrom(auth, fail),
  }
}

function credentialFrom(auth: AuthSettings, fail: Fail): Identity {
  const { application_credential_id: id, application_credential_name: name } = auth
  const secret = auth.application_credential_secret
  if (!secret) throw fail('`application_credential_secret` is missing')
  const method = 'application_credential'
  if (id) return { method, credential: { id }, secret }
  if (!name) throw fail('`application_credential_id` is missing')
  return { method, credential: { name, user: userFrom(auth, fail) }, secret }
}

function userFrom(auth: AuthSettings, fail: Fail): Named {
  const { user_id: id, username: name, user_domain_id, user_domain_name } = auth
  if (id) return { id }
  if (!name) throw fail('`username` is missing')
  return { name, domain: domainFrom(user_domain_id, user_domain_name, auth.default_domain) }
}

function projectFrom(auth: AuthSettings, fail: Fail): Named {
  const id = auth.project_id ?? auth.tenant_id
  const name = auth.project_name ?? auth.tenant_name
  if (id) return { id }
  if (!name) throw fail('`project_name` is missing')
  const { project_domain_id, project_domain_name, default_domain } = auth
  return { name, domain: domainFrom(project_domain_id, project_domain_name, default_domain) }
}

function domainFrom(id?: string, name?: string, fallback = 'default') {
  if (id) return { id }
  return name ? { name } : { id: fallback }
}

function interfaceFrom(settings: CloudSettings, fail: Fail): EndpointInterface {
  const written = settings.interface ?? settings.endpoint_type ?? 'public'
  // Old files say `publicURL`.
  const parsed = EndpointInterface.safeParse(written.replace(/URL$/, ''))
  if (parsed.success) return parsed.data
  throw fail(`interface "${written}" is none of public, internal, admin`)
}

/** `auth_url` is written with and without its version; an old one may end in `/v2.0`. */
function versionThree(authUrl: string): string {
  const bare = authUrl.replace(/\/+$/, '').replace(/\/v(2\.0|3)$/, '')
  return `${bare}/v3`
}
