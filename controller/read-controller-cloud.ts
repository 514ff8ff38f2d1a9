import { homedir } from 'node:os'
import { Cloud } from '../protocol/keystone/cloud.ts'
import { readCloud } from '../protocol/keystone/read-cloud.ts'
import type { ControllerConfig } from './config.ts'
import { readSecretFile } from './read-secret-file.ts'

/**
 * Reads who the controller is to Keystone: what the configuration says, else `clouds.yaml` or the `OS_*` variables.
 *
 * @returns `undefined` unless `queue.auth` is `keystone`.
 * @throws {ConfigInvalidError | CloudInvalidError}
 */
export async function readControllerCloud(
  { queue }: Pick<ControllerConfig, 'queue'>,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Cloud | undefined> {
  if (queue.auth !== 'keystone') return undefined
  const cloud = queue.keystone
    ? await explicitCloud(queue.keystone)
    : await readCloud(
        { env, workingDirectory: process.cwd(), homeDirectory: homedir() },
        queue.cloud,
      )
  return {
    ...cloud,
    ...(queue.region === undefined ? {} : { region: queue.region }),
    ...(queue.interface === undefined ? {} : { interface: queue.interface }),
    ...(queue.certificateAuthorityFile === undefined
      ? {}
      : { certificateAuthorityFile: queue.certificateAuthorityFile }),
  }
}

async function explicitCloud(
  keystone: NonNullable<ControllerConfig['queue']['keystone']>,
): Promise<Cloud> {
  const { user, project, applicationCredential: id } = keystone
  const secret = await readSecretFile('queue.keystone.secretFile', keystone.secretFile, 1)
  const identity =
    id === undefined
      ? { method: 'password', user, project, password: secret }
      : { method: 'application_credential', credential: { id }, secret }
  const authUrl = `${keystone.authUrl.replace(/\/+$/, '').replace(/\/v3$/, '')}/v3`
  return Cloud.parse({ authUrl, identity })
}
