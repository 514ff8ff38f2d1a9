import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { aCommand } from '../../../test/controller-cli/a-command.ts'
import { anInstance } from '../../../test/controller-cli/an-instance.ts'
import type { Respond } from '../../../test/controller-cli/fake-api.ts'
import { aRunOf, json, openFakeApi, runCli } from '../../../test/controller-cli/fake-api.ts'
import { fakeWorld } from '../../../test/fake-world.ts'
import type { CommandState } from '../../api/resources.ts'

const noon = new Date('2030-01-01T12:00:00Z')
const queued = aCommand({ state: 'queued', ended: false, result: null })

/** A controller with one command, which stands at `state` until somebody calls `end`. */
function aWait({
  state,
  queueReachable = true,
}: {
  state: CommandState
  queueReachable?: boolean
}) {
  const [ended, told, looked] = [
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ]
  let hasEnded = false
  const { id } = queued
  const status = { version: '1', queueUrl: 'http://q', queueReachable, clusters: 1, instances: 1 }
  const routes: Record<string, Respond> = {
    ...aRunOf(queued),
    [`GET /v1/commands/${id}/output`]: async (response) => {
      looked.resolve()
      await ended.promise
      hasEnded = true
      response.end()
    },
    [`GET /v1/commands/${id}`]: (response) =>
      json(200, hasEnded ? aCommand() : { ...queued, state })(response),
    'GET /v1/clusters/web/instances': json(200, { instances: [anInstance()] }),
    'GET /v1/status': json(200, { ...status, openCommands: 1 }),
  }
  const stderr = new PassThrough()
  const said: string[] = []
  stderr.on('data', (bytes) => {
    said.push(String(bytes))
    told.resolve()
  })
  return { routes, said, stderr, end: ended.resolve, told: told.promise, looked: looked.promise }
}

const argv = ['run', 'web/worker-1', '--', 'x']

describe('a person whose command no agent has taken', () => {
  test.for([
    ['posted', true, ''],
    [
      'queued',
      false,
      '; the controller cannot use the queue service, see `sahara-controller status`',
    ],
  ] as const)(
    'hears so once, after two seconds: it is %s',
    async ([state, queueReachable, why]) => {
      const { routes, said, stderr, told, end } = aWait({ state, queueReachable })
      await using api = await openFakeApi(routes)
      const world = fakeWorld(noon)
      const terminal = { stderr: Object.assign(stderr, { isTTY: true }), world }
      const run = runCli(api, argv, terminal)
      await world.untilSleeping()
      await world.advance(1999)
      expect(world.sleeperCount()).toBe(1)
      world.setNow(new Date(noon.getTime() + 9999))
      await world.advance(1)
      await told
      end()
      expect(await run).toMatchObject({ exitCode: 0, stdout: '' })
      const line = `not taken yet by worker-1 (last heard of 10s ago)${why}`
      expect(said).toEqual([`\r\u001B[Ksahara-controller: ${line}\n`])
    },
  )
})

describe('nothing is said', () => {
  test('of a command that an agent has taken', async () => {
    const { routes, said, stderr, looked, end } = aWait({ state: 'accepted' })
    await using api = await openFakeApi(routes)
    const run = runCli(api, argv, { stderr: Object.assign(stderr, { isTTY: true }) })
    await looked
    while (api.asked.filter(({ line }) => line.endsWith(queued.id)).length === 0) {
      await new Promise(setImmediate)
    }
    end()
    expect((await run).exitCode).toBe(0)
    expect(said).toEqual([])
    expect(api.asked.map(({ line }) => line)).not.toContain('GET /v1/clusters/web/instances')
  })

  test('of one that has ended by then', async () => {
    const { routes, said, stderr, end } = aWait({ state: 'posted' })
    await using api = await openFakeApi(routes)
    const world = fakeWorld(noon)
    end()
    const terminal = { stderr: Object.assign(stderr, { isTTY: true }), world }
    expect((await runCli(api, argv, terminal)).exitCode).toBe(0)
    expect([said, world.sleeperCount()]).toEqual([[], 0])
  })

  test.for([
    ['to who reads JSON', ['--json'], true],
    ['to anything but a terminal', [], false],
  ] as const)('%s', async ([, options, isTTY]) => {
    const { routes, said, stderr, looked, end } = aWait({ state: 'posted' })
    await using api = await openFakeApi(routes)
    const world = fakeWorld(noon)
    const terminal = { stderr: Object.assign(stderr, { isTTY }), world }
    const run = runCli(api, ['run', ...options, ...argv.slice(1)], terminal)
    await looked
    expect(world.sleeperCount()).toBe(0)
    end()
    expect((await run).exitCode).toBe(0)
    expect(said).toEqual([])
  })
})
