import type { Cloud } from './cloud.ts'
import { CloudSettings, cloudFromSettings } from './cloud-settings.ts'
import { CloudInvalidError } from './errors.ts'
import { readCloudsYaml, type SearchPlaces } from './read-clouds-yaml.ts'

/**
 * Reads how to get into a cloud, as OpenStack's own tools do: the cloud that is named (by `name`, else by `OS_CLOUD`)
 * from `clouds.yaml`; else the `OS_*` variables; else the only cloud in `clouds.yaml`.
 *
 * @throws {CloudInvalidError} nothing is to be found, or what is found is not enough; nothing is guessed.
 */
export async function readCloud(places: SearchPlaces, name?: string): Promise<Cloud> {
  const { env } = places
  const wanted = name ?? (env['OS_CLOUD'] || undefined)
  if (wanted === undefined && env['OS_AUTH_URL']) {
    return cloudFromSettings(settingsFromVariables(env), 'the OS_* variables')
  }
  const file = await readCloudsYaml(places)
  if (file === undefined) {
    throw new CloudInvalidError(
      'no cloud is known: write clouds.yaml (here, in ~/.config/openstack or /etc/openstack), or set OS_AUTH_URL',
    )
  }
  const names = Object.keys(file.clouds)
  const [only] = names
  const chosen = wanted ?? (names.length === 1 ? only : undefined)
  if (chosen === undefined) {
    throw new CloudInvalidError(`${file.path} has ${names.length} clouds; choose one by OS_CLOUD`)
  }
  const written = file.clouds[chosen]
  if (written === undefined) {
    throw new CloudInvalidError(
      `${file.path} has no cloud "${chosen}"; it has: ${names.join(', ')}`,
    )
  }
  const source = `cloud "${chosen}" in ${file.path}`
  const settings = CloudSettings.safeParse(written)
  if (settings.success) return cloudFromSettings(settings.data, source)
  const [issue] = settings.error.issues
  throw new CloudInvalidError(`${source}: \`${issue?.path.join('.')}\` is wrong: ${issue?.message}`)
}

const authVariables = {
  auth_url: 'OS_AUTH_URL',
  username: 'OS_USERNAME',
  user_id: 'OS_USER_ID',
  password: 'OS_PASSWORD',
  user_domain_id: 'OS_USER_DOMAIN_ID',
  user_domain_name: 'OS_USER_DOMAIN_NAME',
  project_id: 'OS_PROJECT_ID',
  project_name: 'OS_PROJECT_NAME',
  tenant_id: 'OS_TENANT_ID',
  tenant_name: 'OS_TENANT_NAME',
  project_domain_id: 'OS_PROJECT_DOMAIN_ID',
  project_domain_name: 'OS_PROJECT_DOMAIN_NAME',
  domain_id: 'OS_DOMAIN_ID',
  domain_name: 'OS_DOMAIN_NAME',
  system_scope: 'OS_SYSTEM_SCOPE',
  default_domain: 'OS_DEFAULT_DOMAIN',
  application_credential_id: 'OS_APPLICATION_CREDENTIAL_ID',
  application_credential_name: 'OS_APPLICATION_CREDENTIAL_NAME',
  application_credential_secret: 'OS_APPLICATION_CREDENTIAL_SECRET',
} as const

const cloudVariables = {
  auth_type: 'OS_AUTH_TYPE',
  region_name: 'OS_REGION_NAME',
  interface: 'OS_INTERFACE',
  endpoint_type: 'OS_ENDPOINT_TYPE',
  cacert: 'OS_CACERT',
  identity_api_version: 'OS_IDENTITY_API_VERSION',
} as const

function settingsFromVariables(env: SearchPlaces['env']): CloudSettings {
  const isInsecure = /^(1|true|yes|on)$/i.test(env['OS_INSECURE'] ?? '')
  return CloudSettings.parse({
    ...pick(env, cloudVariables),
    auth: pick(env, authVariables),
    ...(isInsecure ? { verify: false } : {}),
  })
}

/** A variable that is set to nothing counts as one that is not set. */
function pick(
  env: SearchPlaces['env'],
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  const pairs = Object.entries(variables).flatMap(([key, variable]): [string, string][] => {
    const value = env[variable]
    return value ? [[key, value]] : []
  })
  return Object.fromEntries(pairs)
}
