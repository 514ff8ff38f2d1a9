import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realWorld } from '../protocol/real-world.ts'
import { type PlannedReply, startServer } from '../test/programmable-server.ts'
import { readControllerConfig } from './read-config.ts'
import { openController } from './serve.ts'

let stateDirectory: string
beforeEach(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), 'sahara-ask-queue-'))
})
afterEach(async () => await rm(stateDirectory, { recursive: true }))

async function askAt(url: string) {
  const tokenFile = join(stateDirectory, 'queue.token')
  await writeFile(tokenFile, 'wrong\n', { mode: 0o600 })
  const overrides = { queue: { url, tokenFile } }
  const config = await readControllerConfig({ stateDirectory, overrides })
  await using controller = await openController(config, realWorld())
  return await controller.askQueue(new AbortController().signal)
}

const foreign = '<html>'

test.for([
  ['a wrong token', { status: 401 }, 'does not accept our token (401); put one that is valid into'],
  ['no role', { status: 403 }, 'does not let us in (403)'],
  ['/v2 in the address', { status: 404 }, 'has no queue API at that address (404); write'],
  ['another service', { status: 404, body: foreign }, 'has no queue API at that address (404)'],
] as const)('a queue service refuses us for %s', async ([, reply, message]) => {
  await using server = await startServer(reply, reply)
  expect(await askAt(server.endpoint)).toMatchObject({
    refused: true,
    message: expect.stringContaining(`the queue service at ${server.endpoint} ${message}`),
  })
})

test('a queue service that cannot serve now, or is not there, does not refuse us', async () => {
  const down: PlannedReply = { status: 503, body: '{}' }
  const server = await startServer(down)
  expect(await askAt(server.endpoint)).toMatchObject({
    refused: false,
    code: 'ERR_QUEUE_UNAVAILABLE',
  })
  await server[Symbol.asyncDispose]()
  expect(await askAt(server.endpoint)).toMatchObject({
    refused: false,
    code: 'ERR_QUEUE_UNREACHABLE',
  })
})

test('a queue service that lets us in has no problem', async () => {
  await using server = await startServer({ status: 204 })
  expect(await askAt(server.endpoint)).toBeNull()
})
