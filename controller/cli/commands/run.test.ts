import { EventEmitter } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { aCommand, aResult } from '../../../test/controller-cli/a-command.ts'
import type { FakeApi } from '../../../test/controller-cli/fake-api.ts'
import { aRunOf, json, openFakeApi, output, runCli } from '../../../test/controller-cli/fake-api.ts'

describe('run on one instance', () => {
  test('shows both streams as they are, and exits as the command did', async () => {
    await using api = await openFakeApi(
      aRunOf(failed({}, 3), ['stdout', 'Zürich\nno line end'], ['stderr', 'oops\n']),
    )
    expect(await runCli(api, ['run', 'web/worker-1', '--', 'x', '--json'])).toEqual({
      exitCode: 3,
      stdout: 'Zürich\nno line end',
      stderr: 'oops\n',
    })
    expect(operation(api)).toMatchObject({ name: 'exec', argv: ['x', '--json'], stdin: 'none' })
  })

  test('hands over everything that was asked for', async () => {
    await using api = await openFakeApi(aRunOf(aCommand()))
    const options = ['--user', 'u', '--cwd', '/d', '--env', 'A=1', '--env', 'B=x=y', '--tty']
    const times = ['--timeout', '1m30s', '--start-within', '5m', '--idempotent']
    await runCli(api, ['run', 'web/worker-1', ...options, ...times, '--', 'top'])
    expect(posted(api)).toEqual({
      timeoutSeconds: 90,
      startWithinSeconds: 300,
      idempotent: true,
      operation: {
        name: 'exec',
        argv: ['top'],
        env: { A: '1', B: 'x=y' },
        user: 'u',
        cwd: '/d',
        stdin: 'none',
        pty: true,
      },
    })
  })

  test.for([
    ['timed-out', 124, 'worker-1: timed-out after 2.1s'],
    ['refused', 255, 'worker-1: refused after 2.1s: not as root (rule exec.users)'],
  ] as const)('explains on stderr that the command was %s', async ([state, exitCode, line]) => {
    const refusal = { reason: { code: 'policy', message: 'not as root' }, rule: 'exec.users' }
    const result = aResult(state === 'refused' ? { state, ...refusal } : { state })
    await using api = await openFakeApi(aRunOf(aCommand({ state, result })))
    const run = await runCli(api, ['run', 'web/worker-1', '--', 'x'])
    expect(run).toMatchObject({ exitCode, stderr: expect.stringContaining(line) })
  })

  test.for([
    [
      'did not start',
      127,
      { exitCode: 127, reason: { code: 'no-such-program', message: '"x"\nwas not found' } },
      `worker-1: exit code 127 after 2.1s: "x" was not found (command ${aCommand().id})\n`,
    ],
    [
      'was bounded by the policy',
      143,
      {
        signal: 'SIGTERM',
        reason: { code: 'output-limit', message: 'it printed too much' },
        rule: 'limits.outputBytes',
      },
      `worker-1: ended by SIGTERM after 2.1s: it printed too much (rule limits.outputBytes) (command ${aCommand().id})\n`,
    ],
    ['failed by its own exit code', 127, { exitCode: 127 }, ''],
    ['was ended by a signal from elsewhere', 137, { signal: 'SIGKILL' }, ''],
  ] as const)(
    'says in one line what no program could: it %s',
    async ([, exitCode, how, stderr]) => {
      const result = aResult({ state: 'failed', ...how })
      await using api = await openFakeApi(aRunOf(aCommand({ state: 'failed', result })))
      const run = await runCli(api, ['run', 'web/worker-1', '--', 'x'])
      expect(run).toEqual({ exitCode, stdout: '', stderr })
      const machine = await runCli(api, ['run', 'web/worker-1', '--json', '--', 'x'])
      expect(machine).toMatchObject({ exitCode, stderr: '' })
    },
  )

  test('goes on where it was when the controller went away in the middle', async () => {
    let attempts = 0
    await using api = await openFakeApi({
      ...aRunOf(aCommand()),
      [`GET /v1/commands/${aCommand().id}/output`]: async (response, { line }) => {
        attempts += 1
        if (attempts > 1) {
          expect(line).toContain('offset=4')
          const bytes = Buffer.from('two\n').toString('base64url')
          response.end(`${JSON.stringify({ offset: 4, stream: 'stdout', bytes })}\n`)
          return
        }
        const bytes = Buffer.from('one\n').toString('base64url')
        response.write(`${JSON.stringify({ offset: 0, stream: 'stdout', bytes })}\n{"offs`)
        await new Promise(setImmediate)
        response.destroy()
      },
    })
    const run = await runCli(api, ['run', 'web/worker-1', '--', 'x'])
    expect(run).toEqual({ exitCode: 0, stdout: 'one\ntwo\n', stderr: '' })
  })

  test('prints the id alone when it is not to wait', async () => {
    await using api = await openFakeApi(aRunOf(aCommand()))
    const { stdout } = await runCli(api, ['run', 'web/worker-1', '--detach', '--', 'x'])
    expect(stdout).toBe(`${aCommand().id}\n`)
    expect(api.asked.length).toBe(1)
  })

  test('prints one JSON document per line when JSON is wanted', async () => {
    await using api = await openFakeApi(aRunOf(aCommand(), ['stdout', 'hi']))
    const { stdout } = await runCli(api, ['run', 'web/worker-1', '--json', '--', 'x'])
    const id = aCommand().id
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      {
        type: 'output',
        id,
        instance: 'worker-1',
        output: { offset: 0, stream: 'stdout', bytes: 'aGk' },
      },
      { type: 'ended', command: JSON.parse(JSON.stringify(aCommand())) },
    ])
  })

  test('sends a script in the command, by the interpreter that it asks for', async () => {
    await using api = await openFakeApi(aRunOf(aCommand()))
    const file = join(api.directory, 'script')
    await writeFile(file, '#!/bin/bash -eu\necho hi\n')
    await runCli(api, ['run', 'web/worker-1', '--script', file])
    expect(operation(api)).toMatchObject({
      script: await readFile(file, 'utf8'),
      interpreter: ['/bin/bash', '-eu'],
    })
  })

  test('stores a script that is no text, or long, as content', async () => {
    const stored = { sha256: 'ab'.repeat(32), size: 3 }
    await using api = await openFakeApi({
      ...aRunOf(aCommand()),
      'POST /v1/contents': json(201, stored),
    })
    const stdin = PassThrough.from([Buffer.of(0x23, 0xff, 0xfe)])
    await runCli(api, ['run', 'web/worker-1', '--script', '-'], { stdin })
    expect(api.asked.at(0)?.body).toEqual(Buffer.of(0x23, 0xff, 0xfe))
    expect(JSON.parse(String(api.asked.at(1)?.body))).toMatchObject({
      content: { sha256: stored.sha256 },
      operation: { contentIs: 'script' },
    })
  })

  test('feeds standard input piece by piece, and its end', async () => {
    const ended = Promise.withResolvers<void>()
    const record = aCommand()
    await using api = await openFakeApi({
      ...aRunOf(record),
      [`GET /v1/commands/${record.id}/output`]: async (response) => {
        await ended.promise
        response.end()
      },
      [`POST /v1/commands/${record.id}/stdin`]: (response, asked) => {
        json(202, record)(response)
        if (asked.line.includes('end=true')) ended.resolve()
      },
    })
    const stdin = PassThrough.from([Buffer.alloc(200 * 1024, 'a'), Buffer.from('z')])
    const run = await runCli(api, ['run', 'web/worker-1', '-i', '--', 'cat'], { stdin })
    expect(run).toEqual({ exitCode: 0, stdout: '', stderr: '' })
    const fed = api.asked.filter(({ line }) => line.includes('/stdin?'))
    expect(fed.map(({ line, body }) => [line.split('?').at(1), body.length])).toEqual([
      ['offset=0&end=false', 184_320],
      ['offset=184320&end=false', 20_480],
      ['offset=204800&end=false', 1],
      ['offset=204801&end=true', 0],
    ])
  })

  test('stops reading standard input when the command has ended', async () => {
    await using api = await openFakeApi(aRunOf(aCommand()))
    const stdin = new PassThrough()
    const run = await runCli(api, ['run', 'web/worker-1', '-i', '--', 'true'], { stdin })
    expect(run.exitCode).toBe(0)
    expect(stdin.destroyed).toBe(true)
  })
})

describe('run on a whole cluster', () => {
  const first = aCommand({ instance: 'a' })
  const second = failed({ id: first.id.replace(/1$/, '2'), instance: 'longer' }, 7)
  const routes = {
    'POST /v1/clusters/web/commands': json(202, { commands: [first, second] }),
    [`GET /v1/commands/${first.id}`]: json(200, first),
    [`GET /v1/commands/${second.id}`]: json(200, second),
    [`GET /v1/commands/${first.id}/output`]: output(['stdout', 'one\ntwo']),
  }

  test('names the instance before each line, and sums up what failed', async () => {
    await using api = await openFakeApi({
      ...routes,
      [`GET /v1/commands/${second.id}/output`]: output(['stdout', 'un\n'], ['stderr', 'oops']),
    })
    const { exitCode, stdout, stderr } = await runCli(api, ['run', 'web', '--', 'x'])
    expect(exitCode).toBe(7)
    expect(stdout.split('\n').toSorted()).toEqual([
      '',
      'a      | one',
      'a      | two',
      'longer | un',
    ])
    expect(stderr).toBe(`longer | oops\nlonger: exit code 7 after 2.1s (command ${second.id})\n`)
  })
})

describe('run on a cluster with instances that have not enrolled', () => {
  const record = aCommand()
  const reason = { code: 'not-enrolled', message: 'had not enrolled yet' }
  const leftOut = [
    { instance: 'worker-2', reason },
    { instance: 'worker-3', reason },
  ]
  const routes = {
    ...aRunOf(record),
    'POST /v1/clusters/web/commands': json(202, { commands: [record], leftOut }),
  }
  const message = 'left out, hence exit code 255: worker-2, worker-3 (had not enrolled yet)'

  test.for([[], ['--detach']])('names them, and does not pass for whole: %j', async (options) => {
    await using api = await openFakeApi(routes)
    const run = await runCli(api, ['run', 'web', ...options, '--', 'x'])
    expect(run).toMatchObject({ exitCode: 255, stderr: `sahara-controller: ${message}\n` })
  })

  test.for([
    ['run', 'web', '--enrolled-only', '--', 'x'],
    ['run', 'web', '--enrolled-only', '--detach', '--json', '--', 'x'],
  ])('is silent where only the enrolled ones are asked for: %j', async (argv) => {
    await using api = await openFakeApi(routes)
    expect(await runCli(api, argv)).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('with --enrolled-only exits as the worst of the others did', async () => {
    const failing = failed({}, 3)
    await using api = await openFakeApi({
      ...aRunOf(failing),
      'POST /v1/clusters/web/commands': json(202, { commands: [failing], leftOut }),
    })
    const run = await runCli(api, ['run', 'web', '--enrolled-only', '--', 'x'])
    expect(run.exitCode).toBe(3)
  })

  test('tells a program so as JSON, beside the records', async () => {
    await using api = await openFakeApi(routes)
    const { exitCode, stdout, stderr } = await runCli(api, ['run', 'web', '--json', '--', 'x'])
    expect(exitCode).toBe(255)
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(JSON.parse(stderr)).toEqual({ code: 'ERR_INSTANCE_NOT_ENROLLED', message, leftOut })
  })
})

describe('Ctrl-C', () => {
  test('cancels the command; a second one leaves it, and says its id', async () => {
    const running = aCommand({ state: 'accepted', ended: false, result: null })
    const terminal = new EventEmitter()
    await using api = await openFakeApi({
      ...aRunOf(running),
      [`GET /v1/commands/${running.id}/output`]: (response) => {
        response.flushHeaders()
        terminal.emit('Ctrl-C')
      },
      [`POST /v1/commands/${running.id}/cancel`]: (response) => {
        json(202, running)(response)
        terminal.emit('Ctrl-C')
      },
    })
    const { exitCode, stderr } = await runCli(api, ['run', 'web/worker-1', '--', 'sleep', '9'], {
      onInterrupt: (listener) => {
        terminal.on('Ctrl-C', listener)
        return { [Symbol.dispose]: () => terminal.off('Ctrl-C', listener) }
      },
    })
    expect(exitCode).toBe(130)
    expect(stderr).toContain('cancelling the command; press Ctrl-C again')
    expect(stderr).toContain(`worker-1  ${running.id}\n`)
    expect(terminal.listenerCount('Ctrl-C')).toBe(0)
  })

  test('waits for the end of what it cancels', async () => {
    const cancelled = aCommand({ state: 'cancelled', result: aResult({ state: 'cancelled' }) })
    const terminal = new EventEmitter()
    const gate = Promise.withResolvers<void>()
    await using api = await openFakeApi({
      ...aRunOf(cancelled),
      [`GET /v1/commands/${cancelled.id}/output`]: async (response) => {
        terminal.emit('Ctrl-C')
        await gate.promise
        response.end()
      },
      [`POST /v1/commands/${cancelled.id}/cancel`]: (response) => {
        json(202, cancelled)(response)
        gate.resolve()
      },
    })
    const { exitCode } = await runCli(api, ['run', 'web/worker-1', '--', 'sleep', '9'], {
      onInterrupt: (listener) => {
        terminal.on('Ctrl-C', listener)
        return { [Symbol.dispose]: () => terminal.off('Ctrl-C', listener) }
      },
    })
    expect(exitCode).toBe(130)
  })
})

function posted(api: FakeApi) {
  const request = api.asked.find(({ line }) => line.endsWith('/commands'))
  return JSON.parse(String(request?.body))
}

function operation(api: FakeApi) {
  return posted(api).operation
}

function failed(differences: Parameters<typeof aCommand>[0], exitCode: number) {
  return aCommand({
    state: 'failed',
    result: aResult({ state: 'failed', exitCode }),
    ...differences,
  })
}
