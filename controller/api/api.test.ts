import { chmod, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { realWorld } from '../../protocol/real-world.ts'
import {
  aResult,
  createMiniatureAgent,
  type MiniatureAgent,
  outputOf,
  readBootstrap,
} from '../../test/controller/miniature-agent.ts'
import { startTestController, type TestController } from '../../test/controller/test-controller.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const world = realWorld()
const commandsOfW1 = '/v1/clusters/c1/instances/w1/commands'
const ping = { operation: { name: 'ping' } }

let parts: AsyncDisposableStack
let controller: TestController
let bootstrapOfW1: Awaited<ReturnType<typeof readBootstrap>>
let agent: MiniatureAgent

beforeEach(async () => {
  parts = new AsyncDisposableStack()
  controller = parts.use(await startTestController(world, { limits: { contentBytes: 100_000 } }))
  await controller.api.post('/v1/clusters', { name: 'c1' })
  bootstrapOfW1 = await readBootstrap(controller.api, 'c1', 'w1')
  agent = parts.use(await createMiniatureAgent(bootstrapOfW1, world))
  await agent.enrol()
})
afterEach(async () => await parts.disposeAsync())

async function postContent(body: Buffer) {
  return await controller.api.raw({
    path: '/v1/contents',
    method: 'POST',
    body,
    headers: { 'content-type': 'application/octet-stream' },
  })
}

async function feed(id: string, query: string, body = 'line\n') {
  return await controller.api.raw({
    path: `/v1/commands/${id}/stdin?${query}`,
    method: 'POST',
    body,
    headers: { 'content-type': 'application/octet-stream' },
  })
}

async function order(operation: object): Promise<string> {
  return z.string().parse((await controller.api.post(commandsOfW1, { operation })).body['id'])
}

describe('a request that is not valid', () => {
  test.for([
    ['broken JSON', '{"operation":', 400, 'ERR_REQUEST_INVALID', undefined],
    ['nothing', undefined, 400, 'ERR_REQUEST_INVALID', '(root)'],
    ['no operation', {}, 400, 'ERR_REQUEST_INVALID', 'operation'],
    [
      'an unknown operation',
      { operation: { name: 'dance' } },
      400,
      'ERR_REQUEST_INVALID',
      'operation.name',
    ],
    ['an unknown key', { ...ping, prio: 1 }, 400, 'ERR_REQUEST_INVALID', 'prio'],
    [
      'an unknown key inside',
      { operation: { name: 'ping', x: 1 } },
      400,
      'ERR_REQUEST_INVALID',
      'operation.x',
    ],
    ['nothing to run', { operation: { name: 'exec' } }, 400, 'ERR_REQUEST_INVALID', 'operation'],
    [
      'a file without bytes',
      { operation: { name: 'write', path: '/x' } },
      400,
      'ERR_REQUEST_INVALID',
      'content',
    ],
    [
      'a script that is too long',
      { operation: { name: 'exec', script: 'x'.repeat(100_000) } },
      400,
      'ERR_REQUEST_INVALID',
      'operation',
    ],
    [
      'far too many bytes',
      JSON.stringify({ x: 'x'.repeat(600_000) }),
      413,
      'ERR_BODY_TOO_LARGE',
      undefined,
    ],
    [
      'content that is not stored',
      { operation: { name: 'write', path: '/x' }, content: { sha256: '0'.repeat(64) } },
      404,
      'ERR_CONTENT_NOT_FOUND',
      undefined,
    ],
  ] as const)(
    'with %s is a problem that names what is wrong',
    async ([, body, status, code, path]) => {
      const answer = await controller.api.post(commandsOfW1, body)
      expect(answer).toMatchObject({
        status,
        contentType: expect.stringContaining('application/problem+json'),
        body: { code, status, ...(path === undefined ? {} : { errors: [{ path }] }) },
      })
    },
  )

  test.for([
    [{ ...ping, timeoutSeconds: 0 }, 'timeoutSeconds must be at least 0.001 seconds'],
    [{ operation: { name: 'exec', argv: 'ls' } }, 'operation.argv must be a list'],
    [{ ...ping, content: {} }, 'content fits none: sha256 is missing; or bytes is missing'],
  ] as const)('as %j is told in plain words', async ([body, words]) => {
    expect((await controller.api.post(commandsOfW1, body)).body).toMatchObject({
      detail: `the request's body is not valid: ${words}`,
    })
  })

  test.for([
    ['/v1/nowhere', 'ERR_ROUTE_NOT_FOUND'],
    ['/v1/clusters/c9', 'ERR_CLUSTER_NOT_FOUND'],
    ['/v1/clusters/c1/instances/w9', 'ERR_INSTANCE_NOT_FOUND'],
    ['/v1/commands/018f0000-0000-7000-8000-000000000000', 'ERR_COMMAND_NOT_FOUND'],
  ] as const)('for %s is a 404 with its code', async ([path, code]) => {
    expect(await controller.api.get(path)).toMatchObject({ status: 404, body: { code } })
  })

  test.for([
    '/v1/commands?limit=0',
    '/v1/commands?state=asleep',
    '/v1/commands?instance=w1',
    '/v1/commands?colour=red',
    '/v1/commands/x?wait=301',
  ])('with the query of %s is refused', async (path) => {
    expect(await controller.api.get(path)).toMatchObject({
      status: 400,
      body: { code: 'ERR_REQUEST_INVALID' },
    })
  })

  test('never gets back what it sent', async () => {
    const secret = 'hunter2'
    const answer = await controller.api.post(commandsOfW1, `{"operation": ${secret}`)
    expect(JSON.stringify(answer.body)).not.toContain(secret)
  })
})

describe('an idempotency key', () => {
  const key = { 'idempotency-key': 'once' }

  test('gives the same command for the same body, and a conflict for another', async () => {
    const [first, second] = await Promise.all([
      controller.api.post(commandsOfW1, ping, key),
      controller.api.post(commandsOfW1, ping, key),
    ])
    expect([first.status, second.status].toSorted((a, b) => a - b)).toEqual([200, 202])
    expect(first.body['id']).toBe(second.body['id'])
    await controller.restart()
    const third = await controller.api.post(commandsOfW1, ping, key)
    expect(third).toMatchObject({ status: 200, body: { id: first.body['id'] } })
    const other = await controller.api.post(commandsOfW1, { ...ping, timeoutSeconds: 5 }, key)
    expect(other).toMatchObject({ status: 409, body: { code: 'ERR_IDEMPOTENCY_CONFLICT' } })
  })
})

describe('an idempotency key for a whole cluster', () => {
  const commandsOfAll = '/v1/clusters/c1/commands'
  const key = { 'idempotency-key': 'once' }
  const Made = z.object({ commands: z.array(z.object({ id: z.string(), instance: z.string() })) })

  test('gives the same commands again, and none to an instance that has enrolled since', async () => {
    const answers = await Promise.all([
      controller.api.post(commandsOfAll, ping, key),
      controller.api.post(commandsOfAll, ping, key),
    ])
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 202])
    const [first, repeated] = answers.map(({ body }) => Made.parse(body).commands)
    expect(repeated).toEqual(first)
    const bootstrap = await readBootstrap(controller.api, 'c1', 'w2')
    const second = 'a1b2c3d4-0000-4000-8000-00000000000b'
    await parts.use(await createMiniatureAgent(bootstrap, world, second)).enrol()
    await controller.restart()
    const third = await controller.api.post(commandsOfAll, ping, key)
    const leftOut = [{ instance: 'w2', reason: { code: 'not-enrolled' } }]
    expect(third).toMatchObject({ status: 200, body: { leftOut } })
    expect(Made.parse(third.body).commands).toEqual(first)
    const fresh = await controller.api.post(commandsOfAll, ping, { 'idempotency-key': 'anew' })
    expect(Made.parse(fresh.body).commands).toHaveLength(2)
  })

  test('gives the same commands again though their instances are gone', async () => {
    const first = await controller.api.post(commandsOfAll, ping, key)
    expect(first.status).toBe(202)
    await controller.api.delete('/v1/clusters/c1/instances/w1')
    const repeated = await controller.api.post(commandsOfAll, ping, key)
    expect(repeated).toMatchObject({ status: 200, body: { leftOut: [] } })
    expect(Made.parse(repeated.body)).toEqual(Made.parse(first.body))
    const fresh = await controller.api.post(commandsOfAll, ping, { 'idempotency-key': 'anew' })
    expect(fresh).toMatchObject({
      status: 409,
      body: {
        code: 'ERR_INSTANCE_NOT_ENROLLED',
        detail: expect.stringMatching(/^no instance of this cluster has enrolled yet/),
      },
    })
  })

  test('is a conflict with another body, or when one instance was asked with it', async () => {
    await controller.api.post(commandsOfAll, ping, key)
    const conflict = { status: 409, body: { code: 'ERR_IDEMPOTENCY_CONFLICT' } }
    const other = { ...ping, timeoutSeconds: 5 }
    expect(await controller.api.post(commandsOfAll, other, key)).toMatchObject(conflict)
    expect(await controller.api.post(commandsOfW1, ping, key)).toMatchObject(conflict)
    const one = { 'idempotency-key': 'for one' }
    await controller.api.post(commandsOfW1, ping, one)
    expect(await controller.api.post(commandsOfAll, ping, one)).toMatchObject(conflict)
  })
})

describe('a command in a listing', () => {
  test('shows neither environment values nor content', async () => {
    const operation = {
      name: 'exec',
      argv: ['env'],
      env: { PASSWORD: 'hunter2' },
      contentIs: 'stdin',
    }
    const content = { bytes: Buffer.from('hunter3').toString('base64url') }
    await controller.api.post(commandsOfW1, { operation, content })
    const { body } = await controller.api.get('/v1/commands?cluster=c1&instance=w1')
    const text = JSON.stringify(body)
    expect(text).toContain('PASSWORD')
    expect(text).not.toContain('hunter')
    expect(text).not.toContain(content.bytes)
  })

  test('is found page by page, the newest first', async () => {
    for (let count = 0; count < 3; count += 1) await controller.api.post(commandsOfW1, ping)
    const Page = z.object({ commands: z.array(z.object({ id: z.string() })) })
    const first = Page.parse((await controller.api.get('/v1/commands?limit=2')).body)
    const before = first.commands.at(-1)?.id
    const second = Page.parse((await controller.api.get(`/v1/commands?before=${before}`)).body)
    const ids = [...first.commands, ...second.commands].map(({ id }) => id)
    expect(ids).toHaveLength(3)
    expect(ids).toEqual(ids.toSorted().toReversed())
  })
})

describe('a command for a whole cluster', () => {
  test('is one for each enrolled instance, and names those left out', async () => {
    await readBootstrap(controller.api, 'c1', 'never-came')
    const answer = await controller.api.post('/v1/clusters/c1/commands', ping)
    expect(answer).toMatchObject({
      status: 202,
      body: {
        commands: [{ instance: 'w1' }],
        leftOut: [{ instance: 'never-came', reason: { code: 'not-enrolled' } }],
      },
    })
    expect(await agent.takeCommand()).toMatchObject(ping)
    const counts = { instances: 1, expectedInstances: 1 }
    expect(await controller.api.get('/v1/clusters/c1')).toMatchObject({ body: counts })
    expect(await controller.api.get('/v1/status')).toMatchObject({ body: counts })
  })
})

describe('leave for a new key to enrol', () => {
  const leave = '/v1/clusters/c1/instances/w1/allow-enrolment'
  const instance = '/v1/clusters/c1/instances/w1'

  test('is shown, and can be taken back before anybody used it', async () => {
    expect(await controller.api.get(instance)).toMatchObject({ body: { enrolmentAllowed: false } })
    const given = await controller.api.post(leave)
    expect(given).toMatchObject({ status: 200, body: { enrolmentAllowed: true } })
    expect(await controller.api.get(instance)).toMatchObject({ body: { enrolmentAllowed: true } })
    const taken = await controller.api.delete(leave)
    expect(taken).toMatchObject({ status: 200, body: { enrolmentAllowed: false } })
    const rebuilt = parts.use(await createMiniatureAgent(bootstrapOfW1, world))
    expect(await rebuilt.enrol()).toMatchObject({
      verdict: 'refused',
      reason: { code: 'key-pinned' },
    })
  })
})

describe('content', () => {
  test('is stored with its digest, for the controller alone', async () => {
    const answer = await postContent(Buffer.from('abc'))
    const sha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect([answer.statusCode, await answer.body.json()]).toEqual([201, { sha256, size: 3 }])
    const { mode } = await stat(join(controller.stateDirectory, 'contents', sha256))
    expect(mode & 0o777).toBe(0o600)
  })

  test('over the bound is refused', async () => {
    const answer = await postContent(Buffer.alloc(100_001))
    expect(answer.statusCode).toBe(413)
    expect(await answer.body.json()).toMatchObject({ code: 'ERR_BODY_TOO_LARGE' })
  })

  test('is given to the agent after its command', async () => {
    const content = { bytes: Buffer.from('hello').toString('base64url') }
    await controller.api.post(commandsOfW1, { operation: { name: 'write', path: '/x' }, content })
    const taken = await agent.take()
    const input = taken.at(1) ?? (await agent.take()).at(0)
    expect(input).toMatchObject({ offset: 0, bytes: Uint8Array.from(Buffer.from('hello')) })
  })
})

describe('standard input', () => {
  test('goes to the instance in order, with its offset', async () => {
    const id = await order({ name: 'exec', argv: ['cat'], stdin: 'open' })
    await agent.takeCommand()
    expect((await feed(id, 'offset=0&end=true', 'x'.repeat(100_000))).statusCode).toBe(202)
    const pieces = await agent.take()
    if (pieces.length < 2) pieces.push(...(await agent.take()))
    expect(pieces).toMatchObject([
      { operation: { name: 'stdin', target: id, offset: 0, end: false } },
      { operation: { name: 'stdin', target: id, offset: 92_160, end: true } },
    ])
  })

  test('is refused where it does not belong', async () => {
    const closed = await order({ name: 'exec', argv: ['cat'] })
    expect((await feed(closed, 'offset=0')).statusCode).toBe(400)
    const command = await agent.takeCommand()
    await agent.reply(command, aResult())
    await controller.api.get(`/v1/commands/${closed}?wait=20`)
    expect((await feed(closed, 'offset=0')).statusCode).toBe(409)
  })
})

describe('output', () => {
  test('whose reader goes away costs nothing more', async () => {
    const { body } = await controller.api.post(commandsOfW1, ping)
    const command = await agent.takeCommand()
    const response = await controller.api.raw({
      path: `/v1/commands/${command.id}/output?follow=true`,
    })
    response.body.on('error', () => {})
    response.body.destroy()
    const pieces = outputOf(['content', 'x'])
    await agent.reply(command, ...pieces, aResult(pieces))
    const ended = await controller.api.get(`/v1/commands/${String(body['id'])}?wait=20`)
    expect(ended.body).toMatchObject({ state: 'succeeded', outputComplete: true })
  })
})

describe('the API over TCP', () => {
  test('wants the bearer token', async () => {
    const tokenFile = join(controller.stateDirectory, 'api.token')
    const token = 'f'.repeat(40)
    await writeFile(tokenFile, `${token}\n`, { mode: 0o600 })
    await controller.restart({ listen: { port: 0, tokenFile } })
    const url = controller.controller().apiUrl
    const get = async (headers: Record<string, string>) => {
      const response = await request(`${url}/v1/status`, { headers })
      await response.body.dump()
      return response.statusCode
    }
    expect(await get({})).toBe(401)
    expect(await get({ authorization: `Bearer ${token}x` })).toBe(401)
    expect(await get({ authorization: `Bearer ${token}` })).toBe(200)
    expect((await controller.api.get('/v1/status')).status).toBe(200)
  })

  test('is not opened with a token that others may read', async () => {
    const tokenFile = join(controller.stateDirectory, 'open.token')
    await writeFile(tokenFile, 'f'.repeat(40))
    await chmod(tokenFile, 0o644)
    const restarting = controller.restart({ listen: { port: 0, tokenFile } })
    await expect(restarting).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' })
    await controller.restart()
  })
})

describe('the description of the API', () => {
  test('names every route of resources.ts, and refers to schemas that are there', async () => {
    const { body } = await controller.api.get('/v1/openapi.json')
    const paths = z.record(z.string(), z.record(z.string(), z.unknown())).parse(body['paths'])
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(described).toContain('POST /v1/clusters/{cluster}/instances/{instance}/commands')
    expect(described).toHaveLength(21)
    const text = JSON.stringify(body)
    const names = [...text.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name)
    const components = z
      .object({ schemas: z.record(z.string(), z.unknown()) })
      .parse(body['components'])
    expect(Object.keys(components.schemas)).toEqual(expect.arrayContaining([...new Set(names)]))
  })
})

describe('the socket of a group', () => {
  const group = String(process.getgid?.())

  test('lets in its members, and nobody else', async () => {
    const directory = join(controller.stateDirectory, 'shared')
    const socketPath = join(directory, 'api.sock')
    await controller.restart({ socketPath, socketGroup: group })
    const socket = await stat(socketPath)
    expect([socket.mode & 0o777, String(socket.gid)]).toEqual([0o660, group])
    expect((await stat(directory)).mode & 0o777).toBe(0o750)
  })

  test.for([
    ['stands where only the controller may look', { socketGroup: group }, 'outside of the state'],
    [
      'is of a group that is not there',
      { socketGroup: 'no-such-group', socketPath: '/tmp/sahara-no-such-group/api.sock' },
      'no group "no-such-group"',
    ],
  ] as const)('is refused when it %s', async ([, differences, why]) => {
    await expect(controller.restart(differences)).rejects.toThrow(why)
    await controller.restart()
  })
})

describe('the socket', () => {
  test('is for its owner alone', async () => {
    expect((await stat(controller.controller().socketPath)).mode & 0o777).toBe(0o600)
  })
})
