import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { readCloud } from './read-cloud.ts'

const auth = {
  auth_url: 'https://keystone.example:5000',
  username: 'controller',
  password: 'hunter2-secret',
  project_name: 'demo',
}
const demoCloud = {
  authUrl: 'https://keystone.example:5000/v3',
  identity: {
    method: 'password',
    user: { name: 'controller', domain: { id: 'default' } },
    password: 'hunter2-secret',
    project: { name: 'demo', domain: { id: 'default' } },
  },
  interface: 'public',
}

let directory: string
let env: Record<string, string>

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clouds-'))
  env = {}
})
afterEach(async () => await rm(directory, { recursive: true }))

async function write(path: string, content: unknown): Promise<void> {
  const file = join(directory, path)
  await mkdir(join(file, '..'), { recursive: true })
  await writeFile(file, typeof content === 'string' ? content : stringify(content))
}

const read = async (name?: string) =>
  await readCloud(
    { env, workingDirectory: join(directory, 'work'), homeDirectory: join(directory, 'home') },
    name,
  )

describe('the way into a cloud', () => {
  test('is the only cloud of clouds.yaml, when nothing else is said', async () => {
    await write('work/clouds.yaml', { clouds: { one: { auth } } })
    expect(await read()).toEqual(demoCloud)
  })

  test('is read from the working directory before the user’s', async () => {
    await write('work/clouds.yaml', { clouds: { here: { auth } } })
    await write('home/.config/openstack/clouds.yaml', { clouds: { there: { auth } } })
    await expect(read('there')).rejects.toThrow('has no cloud "there"; it has: here')
    expect(await read('here')).toEqual(demoCloud)
  })

  test('is read from the file that OS_CLIENT_CONFIG_FILE names before any other', async () => {
    await write('work/clouds.yaml', { clouds: { here: { auth } } })
    await write('else/where.yaml', { clouds: { there: { auth } } })
    env['OS_CLIENT_CONFIG_FILE'] = join(directory, 'else/where.yaml')
    expect(await read('there')).toEqual(demoCloud)
  })

  test('is the cloud that OS_CLOUD names, unless a name is given', async () => {
    const clouds = { a: { auth }, b: { auth, region_name: 'north' } }
    await write('work/clouds.yaml', { clouds })
    env['OS_CLOUD'] = 'b'
    expect(await read()).toEqual({ ...demoCloud, region: 'north' })
    expect(await read('a')).toEqual(demoCloud)
  })

  test('has its secrets from secure.yaml', async () => {
    const { password, ...rest } = auth
    await write('work/clouds.yaml', { clouds: { one: { auth: rest } } })
    await write('home/.config/openstack/secure.yaml', { clouds: { one: { auth: { password } } } })
    expect(await read()).toEqual(demoCloud)
  })

  test('is described by the OS_* variables, which empty ones do not disturb', async () => {
    env = {
      OS_AUTH_URL: 'https://keystone.example:5000/v3/',
      OS_USERNAME: 'controller',
      OS_PASSWORD: 'hunter2-secret',
      OS_PROJECT_NAME: 'demo',
      OS_PROJECT_DOMAIN_NAME: 'Tenants',
      OS_REGION_NAME: 'north',
      OS_INTERFACE: 'internal',
      OS_CACERT: '/etc/ca.pem',
      OS_DOMAIN_ID: '',
      OS_IDENTITY_API_VERSION: '3',
    }
    expect(await read()).toEqual({
      ...demoCloud,
      identity: {
        ...demoCloud.identity,
        project: { name: 'demo', domain: { name: 'Tenants' } },
      },
      interface: 'internal',
      region: 'north',
      certificateAuthorityFile: '/etc/ca.pem',
    })
  })

  test('may be an application credential', async () => {
    const { auth_url } = auth
    const credential = { application_credential_id: 'c1', application_credential_secret: 's1' }
    const cloud = { auth_type: 'v3applicationcredential', auth: { auth_url, ...credential } }
    await write('work/clouds.yaml', { clouds: { one: cloud } })
    const { identity } = await read()
    expect(identity).toEqual({
      method: 'application_credential',
      credential: { id: 'c1' },
      secret: 's1',
    })
  })

  test.for([
    [
      'takes a number for a password as text',
      { auth: { ...auth, password: 12345 } },
      { identity: { password: '12345' } },
    ],
    [
      'takes publicURL for public',
      { auth, endpoint_type: 'internalURL' },
      { interface: 'internal' },
    ],
    [
      'replaces the version in an old URL',
      { auth: { ...auth, auth_url: 'https://k.example/identity/v2.0/' } },
      { authUrl: 'https://k.example/identity/v3' },
    ],
    [
      'knows users and projects by their ids',
      { auth: { ...auth, user_id: 'u1', project_id: 'p1' } },
      { identity: { user: { id: 'u1' }, project: { id: 'p1' } } },
    ],
  ] as const)('%s', async ([, cloud, expected]) => {
    await write('work/clouds.yaml', { clouds: { one: cloud } })
    expect(await read()).toMatchObject(expected)
  })
})

describe('the way into a cloud is not guessed', () => {
  test.for([
    ['no URL', { auth: { ...auth, auth_url: undefined } }, '`auth_url` is missing'],
    ['no password', { auth: { ...auth, password: undefined } }, '`password` is missing'],
    ['no project', { auth: { ...auth, project_name: undefined } }, '`project_name` is missing'],
    ['no verification of certificates', { auth, verify: false }, 'name the authority'],
    ['an unknown way to authenticate', { auth, auth_type: 'v3oidcpassword' }, 'is not supported'],
    ['Keystone v2', { auth, identity_api_version: '2.0' }, 'must be 3'],
    ['a whole domain', { auth: { ...auth, domain_id: 'd1' } }, 'queues belong to a project'],
    ['an interface of no name', { auth, interface: 'secret' }, 'is none of public'],
    ['no http', { auth: { ...auth, auth_url: 'ftp://x' } }, 'authUrl'],
    ['a list for a mapping', { auth: [] }, '`auth` is wrong'],
  ] as const)('from %s', async ([, cloud, problem]) => {
    await write('work/clouds.yaml', { clouds: { one: JSON.parse(JSON.stringify(cloud)) } })
    const refusal = read()
    await expect(refusal).rejects.toMatchObject({ code: 'ERR_CLOUD_INVALID' })
    await expect(refusal).rejects.toThrow(problem)
    await expect(refusal).rejects.not.toThrow('hunter2-secret')
  })

  test('when there are several clouds and none is chosen', async () => {
    await write('work/clouds.yaml', { clouds: { a: { auth }, b: { auth } } })
    await expect(read()).rejects.toThrow('choose one by OS_CLOUD')
  })

  test('from a broken file, of which nothing is quoted', async () => {
    await write('work/clouds.yaml', 'clouds: {a: {auth: {password: hunter2-secret')
    const refusal = read()
    await expect(refusal).rejects.toThrow('is no valid YAML')
    await expect(refusal).rejects.not.toThrow('hunter2-secret')
  })

  test.skipIf(process.getuid?.() === 0)('from a file that cannot be read', async () => {
    await write('work/clouds.yaml', { clouds: { one: { auth } } })
    await write('home/.config/openstack/clouds.yaml', { clouds: { one: { auth } } })
    await chmod(join(directory, 'work/clouds.yaml'), 0)
    await expect(read()).rejects.toThrow('EACCES')
  })

  test('when there is nothing at all', async () => {
    await expect(read()).rejects.toThrow('no cloud is known')
  })
})
