import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startServer } from '../programmable-server.ts'
import { startProgram } from '../system/start-program.ts'
import { aCommand, aResult } from './a-command.ts'
import { aRunOf, json, openFakeApi } from './fake-api.ts'

const main = fileURLToPath(new URL('../../controller/main.ts', import.meta.url))

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'controller-cli-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('sahara-controller serve', () => {
  test('says where it listens, answers the CLI there, and ends with 0 at SIGTERM', async () => {
    const state = join(directory, 'state')
    const flags = ['--state-directory', state, '--embedded-queue', '--queue-port', '0', '--json']
    await using program = startProgram('controller/main.ts', ['serve', ...flags])
    const ready = JSON.parse(await program.line((line) => line.includes('"listening"')))
    expect(ready).toMatchObject({ socket: join(state, 'controller.sock'), url: null })

    const cli = async (...argv: string[]) =>
      await execa(process.execPath, [main, '--socket', ready.socket, ...argv], { reject: false })
    expect((await cli('status')).stdout).toContain('(reachable)')
    expect((await cli('cluster', 'create', 'web')).exitCode).toBe(0)
    expect(await cli('cluster', 'create', 'web')).toMatchObject({
      exitCode: 255,
      stderr: expect.stringMatching(/^error: .*\(ERR_CLUSTER_EXISTS\)$/),
    })
    const { stdout } = await cli('user-data', 'web', '--instance', 'w-1')
    expect(stdout).toMatch(/^#cloud-config\n/)
    expect((await cli('instance', 'list', 'web')).stdout).toMatch(/\nw-1 +expected/)
    expect(await cli('run', 'web/w-1', '--', 'true')).toMatchObject({
      exitCode: 255,
      stderr: expect.stringContaining('ERR_INSTANCE_NOT_ENROLLED'),
    })

    await program.stop('SIGTERM')
    expect(await program.exited).toBe(0)
    expect((await cli('status')).stderr).toContain('ERR_CONTROLLER_UNREACHABLE')
  })

  test('says at once that its queue service refuses it, and serves all the same', async () => {
    await using queue = await startServer(...Array.from({ length: 8 }, () => ({ status: 401 })))
    const tokenFile = join(directory, 'queue.token')
    await writeFile(tokenFile, 'wrong\n', { mode: 0o600 })
    const place = ['--state-directory', join(directory, 'state'), '--queue-url', queue.endpoint]
    const flags = [...place, '--queue-token-file', tokenFile]
    const serving = spawn(process.execPath, [main, 'serve', ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const exited = once(serving, 'exit')
    try {
      const logged = await firstLine(serving.stderr, (line) => line.includes('our token (401)'))
      expect(JSON.parse(logged)).toMatchObject({ level: 50, code: 'ERR_QUEUE_UNAUTHORIZED' })

      const argv = [main, '--socket', join(directory, 'state', 'controller.sock'), 'status']
      expect(await execa(process.execPath, argv, { reject: false })).toMatchObject({
        exitCode: 255,
        stdout: expect.stringMatching(/REFUSES this controller[\s\S]*does not accept our token/),
      })
    } finally {
      serving.kill('SIGTERM')
    }
    expect(await exited).toEqual([0, null])
  })

  test('names the key of a typo in its configuration', async () => {
    const config = join(directory, 'controller.yaml')
    await writeFile(config, 'queue:\n  url: http://127.0.0.1:1\n  auth: none\nlimitz: {}\n')
    const argv = [main, 'serve', '--config', config, '--state-directory', directory]
    const { exitCode, stderr } = await execa(process.execPath, argv, { reject: false })
    expect(exitCode).toBe(255)
    expect(stderr).toMatch(/limitz.*\(ERR_CONFIG_INVALID\)$/)
  })
})

describe('a real process that runs a command', () => {
  const running = aCommand({ state: 'accepted', ended: false, result: null })
  const cancelled = aCommand({ state: 'cancelled', result: aResult({ state: 'cancelled' }) })
  const line = `${JSON.stringify({ offset: 0, stream: 'stdout', bytes: 'aGkK' })}\n`

  test('cancels it at Ctrl-C, waits for its end, and exits with 130', async () => {
    const gate = Promise.withResolvers<void>()
    await using api = await openFakeApi({
      ...aRunOf(cancelled),
      [`GET /v1/commands/${cancelled.id}/output`]: async (response) => {
        response.write(line)
        await gate.promise
        response.end()
      },
      [`POST /v1/commands/${cancelled.id}/cancel`]: (response) => {
        json(202, running)(response)
        gate.resolve()
      },
    })
    const child = spawnRun(api.socketPath)
    await once(child.stdout, 'data')
    child.kill('SIGINT')
    expect(await once(child, 'exit')).toEqual([130, null])
  })

  test('cancels it, and exits with 141, when nobody reads its output any more', async () => {
    const asked = Promise.withResolvers<void>()
    await using api = await openFakeApi({
      ...aRunOf(running),
      [`GET /v1/commands/${running.id}/output`]: async (response) => {
        for (let offset = 0; !response.destroyed; offset += 3) {
          response.write(`${JSON.stringify({ offset, stream: 'stdout', bytes: 'aGkK' })}\n`)
          await new Promise(setImmediate)
        }
      },
      [`POST /v1/commands/${running.id}/cancel`]: (response) => {
        json(202, running)(response)
        asked.resolve()
      },
    })
    const child = spawnRun(api.socketPath)
    await once(child.stdout, 'data')
    child.stdout.destroy()
    await asked.promise
    expect(await once(child, 'exit')).toEqual([141, null])
  })
})

async function firstLine(stream: Readable, matches: (line: string) => boolean): Promise<string> {
  for await (const line of createInterface({ input: stream })) if (matches(line)) return line
  throw new Error('it ended without such a line')
}

function spawnRun(socketPath: string) {
  return spawn(process.execPath, [main, '--socket', socketPath, 'run', 'web/worker-1', '--', 'x'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}
