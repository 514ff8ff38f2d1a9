import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readControllerConfig } from './read-config.ts'
import { readControllerCloud } from './read-controller-cloud.ts'

let directory: string
let secretFile: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'controller-cloud-'))
  secretFile = join(directory, 'secret')
  await writeFile(secretFile, 'hunter2-secret\n', { mode: 0o600 })
})
afterEach(async () => await rm(directory, { recursive: true }))

const authUrl = 'https://keystone.example:5000'
const configOf = async (queue: object) =>
  await readControllerConfig({ stateDirectory: directory, overrides: { queue } })
const cloudOf = async (queue: object, env: Record<string, string> = {}) =>
  await readControllerCloud(await configOf({ auth: 'keystone', ...queue }), env)

describe('who the controller is to Keystone', () => {
  test('is nobody unless `auth: keystone` says so', async () => {
    const config = await configOf({ embedded: {} })
    expect(await readControllerCloud(config, { OS_AUTH_URL: authUrl })).toBeUndefined()
  })

  test('may stand in the configuration, its password in a file', async () => {
    const domain = { id: 'default' }
    const [user, project] = [
      { name: 'controller', domain },
      { name: 'demo', domain },
    ]
    expect(await cloudOf({ keystone: { authUrl, user, project, secretFile } })).toEqual({
      authUrl: `${authUrl}/v3`,
      interface: 'public',
      identity: { method: 'password', user, project, password: 'hunter2-secret' },
    })
  })

  test('may be an application credential', async () => {
    const keystone = { authUrl: `${authUrl}/v3/`, applicationCredential: 'c1', secretFile }
    expect(await cloudOf({ keystone })).toMatchObject({
      authUrl: `${authUrl}/v3`,
      identity: { method: 'application_credential', credential: { id: 'c1' } },
    })
  })

  test('comes from the environment otherwise, with region and interface of the configuration', async () => {
    const env = {
      OS_AUTH_URL: authUrl,
      OS_USERNAME: 'controller',
      OS_PASSWORD: 'p',
      OS_PROJECT_NAME: 'demo',
      OS_REGION_NAME: 'north',
    }
    const queue = { region: 'south', interface: 'internal' }
    expect(await cloudOf(queue, env)).toMatchObject({ ...queue, authUrl: `${authUrl}/v3` })
  })

  test.for([
    ['the embedded queue', { embedded: {} }, 'the embedded queue does not know'],
    [
      'two ways at once',
      { cloud: 'a', keystone: { authUrl, applicationCredential: 'c' } },
      'exclude',
    ],
    ['neither a user nor a credential', { keystone: { authUrl } }, 'needs either'],
  ] as const)('is not taken with %s', async ([, queue, problem]) => {
    const keystone = 'keystone' in queue ? { keystone: { secretFile, ...queue.keystone } } : {}
    await expect(cloudOf({ ...queue, ...keystone })).rejects.toThrow(problem)
  })

  test('is refused when others may read the password', async () => {
    const open = join(directory, 'open')
    await writeFile(open, 'secret', { mode: 0o644 })
    const keystone = { authUrl, applicationCredential: 'c1', secretFile: open }
    await expect(cloudOf({ keystone })).rejects.toThrow('chmod 600')
  })
})
