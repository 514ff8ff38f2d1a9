import { randomBytes } from 'node:crypto'

import { z } from 'zod'

const Project = z.strictObject({ id: z.string(), name: z.string() })
const User = z.strictObject({
  id: z.string(),
  name: z.string(),
  password: z.string(),
  /** The name of the project in which the user has a role. All are in the domain `default`. */
  project: z.string(),
})

/** Who exists in the test Keystone. The controller is a plain member of `demo`, the neighbour of another project. */
export const KeystoneAccounts = z.strictObject({
  projects: z.strictObject({ service: Project, demo: Project, neighbour: Project }),
  users: z.strictObject({ admin: User, zaqar: User, controller: User, neighbour: User }),
})
export type KeystoneAccounts = z.output<typeof KeystoneAccounts>

/** Stands in the catalogue until `setCatalogue` writes real URLs: ports are only known at a start. */
const laterUrl = 'http://127.0.0.1:1'

type Admin = (method: 'POST' | 'PUT' | 'GET', path: string, body?: unknown) => Promise<unknown>

/**
 * Makes users, projects and the catalogue in a Keystone that has only been bootstrapped.
 *
 * @param url ends in `/v3`
 */
export async function populateKeystone(
  url: string,
  adminPassword: string,
): Promise<KeystoneAccounts> {
  const { admin, adminId } = await logIn(url, adminPassword)
  const projects = {
    service: await createProject(admin, 'service'),
    demo: await createProject(admin, 'demo'),
    neighbour: await createProject(admin, 'neighbour'),
  }
  const users = {
    admin: { id: adminId, name: 'admin', password: adminPassword, project: 'admin' },
    zaqar: await createUser(admin, 'zaqar', projects.service, 'admin'),
    controller: await createUser(admin, 'controller', projects.demo, 'member'),
    neighbour: await createUser(admin, 'neighbour', projects.neighbour, 'member'),
  }
  // Zaqar looks its own URLs up by these names.
  await createCatalogueEntry(admin, 'zaqar', 'messaging')
  await createCatalogueEntry(admin, 'zaqar-websocket', 'messaging-websocket')
  return { projects, users }
}

const TokenBody = z.looseObject({
  token: z.looseObject({ user: z.looseObject({ id: z.string() }) }),
})

async function logIn(url: string, password: string): Promise<{ admin: Admin; adminId: string }> {
  const domain = { id: 'default' }
  const body = {
    auth: {
      identity: { methods: ['password'], password: { user: { name: 'admin', domain, password } } },
      scope: { project: { name: 'admin', domain } },
    },
  }
  const response = await send(`${url}/auth/tokens`, 'POST', {}, body)
  const { token } = TokenBody.parse(await response.json())
  const headers = { 'X-Auth-Token': response.headers.get('X-Subject-Token') ?? '' }
  const admin: Admin = async (method, path, requestBody) => {
    const text = await (await send(`${url}${path}`, method, headers, requestBody)).text()
    return text === '' ? undefined : JSON.parse(text)
  }
  return { admin, adminId: token.user.id }
}

async function send(
  url: string,
  method: string,
  headers: Record<string, string>,
  body: unknown,
): Promise<Response> {
  const response = await fetch(url, {
    method,
    headers: { ...headers, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  })
  if (response.ok) return response
  throw new Error(`${method} ${url}: ${response.status} ${(await response.text()).slice(0, 512)}`)
}

const Created = z.record(z.string(), z.looseObject({ id: z.string() }))

async function create(
  admin: Admin,
  kind: 'project' | 'user' | 'service' | 'endpoint',
  properties: object,
): Promise<string> {
  const reply = Created.parse(await admin('POST', `/${kind}s`, { [kind]: properties }))
  const id = reply[kind]?.id
  if (id === undefined) throw new Error(`Keystone's reply names no ${kind}`)
  return id
}

async function createProject(admin: Admin, name: string): Promise<z.output<typeof Project>> {
  return { id: await create(admin, 'project', { name, domain_id: 'default' }), name }
}

const Roles = z.looseObject({ roles: z.array(z.looseObject({ id: z.string(), name: z.string() })) })

async function createUser(
  admin: Admin,
  name: string,
  project: z.output<typeof Project>,
  roleName: 'admin' | 'member',
): Promise<z.output<typeof User>> {
  const password = randomBytes(18).toString('base64url')
  const id = await create(admin, 'user', { name, password, domain_id: 'default' })
  const { roles } = Roles.parse(await admin('GET', '/roles'))
  const role = roles.find((candidate) => candidate.name === roleName)
  if (role === undefined) throw new Error(`Keystone's bootstrap has made no role ${roleName}`)
  await admin('PUT', `/projects/${project.id}/users/${id}/roles/${role.id}`)
  return { id, name, password, project: project.name }
}

async function createCatalogueEntry(admin: Admin, name: string, type: string): Promise<void> {
  const serviceId = await create(admin, 'service', { name, type })
  for (const access of ['public', 'internal', 'admin']) {
    const properties = { service_id: serviceId, interface: access, region_id: 'RegionOne' }
    await create(admin, 'endpoint', { ...properties, url: laterUrl })
  }
}
