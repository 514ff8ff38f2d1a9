import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { ExecOperation } from '../../protocol/messages/operations.ts'
import { realWorld } from '../../protocol/real-world.ts'
import {
  createMiniatureAgent,
  type MiniatureAgent,
  readBootstrap,
} from '../../test/controller/miniature-agent.ts'
import { startTestController, type TestController } from '../../test/controller/test-controller.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const world = realWorld()
const commandsOfW1 = '/v1/clusters/c1/instances/w1/commands'
const secret = 'hunter2-and-more'
const bytes = Buffer.from(secret).toString('base64url')
const withSecret = aCommand({ 'db-password': { bytes } })

let parts: AsyncDisposableStack
let controller: TestController
let agent: MiniatureAgent

beforeEach(async () => {
  parts = new AsyncDisposableStack()
  controller = parts.use(await startTestController(world))
  await controller.api.post('/v1/clusters', { name: 'c1' })
  const bootstrap = await readBootstrap(controller.api, 'c1', 'w1')
  agent = parts.use(await createMiniatureAgent(bootstrap, world))
  await agent.enrol()
})
afterEach(async () => await parts.disposeAsync())

describe('a command with a secret', () => {
  test('carries it sealed, and is shown with its name alone', async () => {
    const { status, body } = await controller.api.post(commandsOfW1, withSecret)
    expect(status).toBe(202)
    expect(body['operation']).toEqual({
      name: 'exec',
      argv: ['true'],
      env: {},
      interpreter: ['/bin/sh'],
      pty: false,
      stdin: 'none',
      secrets: { 'db-password': { via: 'file' } },
    })
    const listed = await controller.api.get('/v1/commands')
    expect(JSON.stringify([body, listed.body])).not.toMatch(/hunter2|sealed/)
    expect(JSON.stringify(listed.body)).not.toContain(bytes)
    const { operation } = await agent.takeCommand()
    const sealed = ExecOperation.parse(operation).secrets?.['db-password']
    expect(sealed).toMatchObject({ sealed: expect.stringMatching(/^ey/), via: 'file' })
    expect(JSON.stringify(operation)).not.toMatch(new RegExp(`hunter2|${bytes}`))
  })

  test('leaves nothing readable with the controller, whoever has its database and its key', async () => {
    await controller.api.post(commandsOfW1, withSecret)
    const files = readdirSync(controller.stateDirectory, { recursive: true, withFileTypes: true })
    for (const file of files.filter((entry) => entry.isFile())) {
      const text = readFileSync(join(file.parentPath, file.name), 'latin1')
      expect(text).not.toMatch(new RegExp(`hunter2|${bytes}`))
    }
    const { sealed } = z
      .object({ sealed: z.string() })
      .parse(ExecOperation.parse((await agent.takeCommand()).operation).secrets?.['db-password'])
    const header = Buffer.from(sealed.split('.')[0] ?? '', 'base64url').toString()
    expect(JSON.parse(header)).toMatchObject({ alg: 'ECDH-ES', secret: 'db-password' })
  })

  test('is sealed to each instance of a cluster by itself', async () => {
    const other = parts.use(
      await createMiniatureAgent(
        await readBootstrap(controller.api, 'c1', 'w2'),
        world,
        'a1b2c3d4-0000-4000-8000-00000000000b',
      ),
    )
    await other.enrol()
    const answer = await controller.api.post('/v1/clusters/c1/commands', withSecret)
    expect(answer.status).toBe(202)
    const [one, two] = [await agent.takeCommand(), await other.takeCommand()]
    expect(one.operation).not.toEqual(two.operation)
  })

  test('is the same for an idempotency key whatever its secret: not even a digest of it is kept', async () => {
    const key = { 'idempotency-key': 'once' }
    const first = await controller.api.post(commandsOfW1, withSecret, key)
    const changed = aCommand({
      'db-password': { bytes: Buffer.from('other').toString('base64url') },
    })
    const second = await controller.api.post(commandsOfW1, changed, key)
    expect([first.status, second.status]).toEqual([202, 200])
    expect(second.body['id']).toBe(first.body['id'])
    const renamed = aCommand({ token: { bytes } })
    expect(await controller.api.post(commandsOfW1, renamed, key)).toMatchObject({ status: 409 })
  })

  const short = Buffer.from(' ab\n').toString('base64url')
  test.for([
    ['a name that is none', { DB: { bytes } }, {}, 'operation.secrets.DB'],
    [
      'a secret too short to be redacted',
      { db: { bytes: short } },
      {},
      'operation.secrets.db.bytes',
    ],
    ['an unknown way', { db: { bytes, via: 'argv' } }, {}, 'operation.secrets.db.via'],
    ['no base64url', { db: { bytes: 'hunter2!' } }, {}, 'operation.secrets.db.bytes'],
    ['the value as text', { db: secret }, {}, 'operation.secrets.db'],
    ['a sealed one', { db: { sealed: 'hunter2' } }, {}, 'operation.secrets.db.bytes'],
    ['too much', { db: { bytes: 'aaaa'.repeat(11_000) } }, {}, 'operation.secrets'],
    ['its variable set already', { db: { bytes } }, { DB_FILE: 'x' }, 'operation.env.DB_FILE'],
  ] as const)(
    'is refused with %s, and the answer quotes nothing',
    async ([, secrets, env, path]) => {
      const { status, body } = await controller.api.post(commandsOfW1, aCommand(secrets, env))
      expect(status).toBe(400)
      expect(body['errors']).toContainEqual(expect.objectContaining({ path }))
      expect(JSON.stringify(body)).not.toMatch(new RegExp(`hunter2|${bytes}`))
    },
  )
})

function aCommand(secrets: unknown, env: Readonly<Record<string, string>> = {}) {
  return { operation: { name: 'exec', argv: ['true'], env, secrets } }
}
