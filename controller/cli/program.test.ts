import { describe, expect, test } from 'vitest'
import { json, openFakeApi, problem, runCli } from '../../test/controller-cli/fake-api.ts'
import type { CatalogueEntry } from './catalogue.ts'
import { catalogue } from './catalogue.ts'

const nowhere = { socketPath: '/no/such/controller.sock' }

describe('the program', () => {
  test('shows its help, its exit codes and its version', async () => {
    const help = await runCli(nowhere, ['--help'])
    expect(help.exitCode).toBe(0)
    expect(help.stdout).toMatch(/cluster[\s\S]*run[\s\S]*Exit codes:/)
    expect(await runCli(nowhere, ['--version'])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    })
  })

  test.for(leaves(catalogue))('%s explains itself with an example', async (path) => {
    const { exitCode, stdout } = await runCli(nowhere, [...path.split(' '), '--help'])
    expect(exitCode).toBe(0)
    expect(stdout).toContain(`Usage: sahara-controller ${path}`)
    expect(stdout).toContain('--json')
    expect(stdout).toMatch(/Examples:\n {2}\$ sahara-controller/)
  })

  test.for([
    [['help'], 'Usage: sahara-controller [options]'],
    [['help', 'run'], 'Usage: sahara-controller run <target>'],
    [['help', 'run', 'fast'], 'Usage: sahara-controller run <target>'],
    [['help', 'cluster'], 'Usage: sahara-controller cluster [options] [command]'],
    [['help', 'cluster', 'show'], 'Usage: sahara-controller cluster show'],
    [['help', '--json'], 'Usage: sahara-controller [options]'],
  ] as const)('explains what is named behind help: %j', async ([argv, usage]) => {
    const { exitCode, stdout } = await runCli(nowhere, argv)
    expect(exitCode).toBe(0)
    expect(stdout).toContain(usage)
  })

  test.for([
    [[], ''],
    [['logs', 'web'], "unknown command 'logs'; see --help (ERR_USAGE)"],
    [['clusters'], "unknown command 'clusters' (Did you mean cluster?) (ERR_USAGE)"],
    [['put', '-r', 'd', 'web:/d'], "unknown option '-r'; see --help (ERR_USAGE)"],
    [['help', 'rnu'], "unknown command 'rnu' (Did you mean run?)"],
    [['help', 'cluster', 'crate'], "unknown command 'crate' (Did you mean create?)"],
    [['run', 'web', '--frob', '--', 'ls'], "unknown option '--frob'"],
    [['run'], "missing required argument 'target'"],
    [['run', 'web'], 'nothing to run'],
    [['run', 'WEB', '--', 'ls'], '<target>: "WEB" names no cluster'],
    [['run', 'web', '--timeout', '5x', '--', 'ls'], '--timeout: "5x" is no duration'],
    [['run', 'web', '--env', 'A', '--', 'ls'], '--env: "A" is no KEY=VALUE'],
    [['run', 'web', 'ls', '-l'], "unknown option '-l'; options of a command to run go behind `--`"],
    [['run', 'web', '--script', 'x', '--', 'ls'], '--script takes no arguments'],
    [['run', 'web', '--script', '-', '-i'], 'cannot be both'],
    [['instance', 'show', 'web'], '<instance>: "web" names no instance'],
    [['command', 'show', 'web'], '<id>: is no id of a command'],
    [['put', 'a', 'web'], '<remote>: "web" names no file there'],
    [['put', 'a', 'web:/x', '--append', '--create'], 'exclude each other'],
    [['get', 'web:/x', '-'], 'cannot go to `-`'],
    [['get', 'web/a:/x/..', '.'], "no file's name"],
    [['status', '--socket', '/x', '--url', 'http://x'], 'name two controllers'],
    [['serve', '--queue-url', '127.0.0.1:18882'], '--queue-url: use a URL with its scheme'],
    [['serve', '--log-level', 'loud'], '--log-level: use debug, info'],
  ] as const)('refuses %j as wrong use', async ([argv, message]) => {
    const { exitCode, stdout, stderr } = await runCli(nowhere, argv)
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toContain(message)
    if (message !== '') expect(stderr).toMatch(/^error: .* \(ERR_USAGE\)\n$/)
  })

  test('says what a bare serve lacks, with an example that works', async () => {
    expect(await runCli(nowhere, ['serve'])).toMatchObject({
      exitCode: 255,
      stderr: expect.stringMatching(
        /names no queue service; .*`sahara-controller serve --embedded-queue`.*\(ERR_CONFIG_INVALID\)\n$/,
      ),
    })
  })

  test('tells an error as JSON where JSON is wanted', async () => {
    const { exitCode, stderr } = await runCli(nowhere, ['cluster', 'show', '--json', 'WEB'])
    expect(exitCode).toBe(2)
    expect(JSON.parse(stderr)).toMatchObject({ code: 'ERR_USAGE' })
  })

  test('says how to start a controller that is not there', async () => {
    expect(await runCli(nowhere, ['status'])).toEqual({
      exitCode: 255,
      stdout: '',
      stderr:
        'error: the controller does not answer at /no/such/controller.sock; start it with ' +
        '`sahara-controller serve`, or name another one by --socket or --url (ERR_CONTROLLER_UNREACHABLE)\n',
    })
  })

  test('tells what the API refused under the API’s own code, without control characters', async () => {
    await using api = await openFakeApi({
      'POST /v1/clusters': problem(409, 'ERR_CLUSTER_EXISTS', 'the cluster "web" exists\u001b[2J'),
    })
    expect(await runCli(api, ['cluster', 'create', 'web'])).toMatchObject({
      exitCode: 255,
      stderr: 'error: the cluster "web" exists\uFFFD[2J (ERR_CLUSTER_EXISTS)\n',
    })
  })

  test('names the flag of what the API cannot take, as wrong use', async () => {
    await using api = await openFakeApi({
      'POST /v1/clusters/web/instances/w-1/commands': json(400, {
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        code: 'ERR_REQUEST_INVALID',
        detail: "the request's body is not valid: timeoutSeconds is too short",
        errors: [{ path: 'timeoutSeconds', message: 'is too short' }],
      }),
    })
    expect(await runCli(api, ['run', 'web/w-1', '--timeout', '0s', '--', 'true'])).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'error: --timeout is too short (ERR_REQUEST_INVALID)\n',
    })
  })

  test.for([
    ['no JSON', (text: string) => text],
    ['another shape', () => '{"clusters":7}'],
  ] as const)('takes nobody else for a controller: %s', async ([, answer]) => {
    await using api = await openFakeApi({
      'GET /v1/clusters': (response) => void response.end(answer('<html>')),
    })
    const { exitCode, stderr } = await runCli(api, ['cluster', 'list'])
    expect(exitCode).toBe(255)
    expect(stderr).toContain('(ERR_CONTROLLER_REPLY_UNPARSABLE)')
  })
})

const cluster = {
  id: '0197c0de-0000-7000-8000-000000000001',
  name: 'web',
  createdAt: '2030-01-01T12:00:00.000Z',
  instances: 3,
  expectedInstances: 1,
  openCommands: 0,
  fromTheFuture: true,
}

describe('clusters', () => {
  test('are listed as a table, with times that people read', async () => {
    await using api = await openFakeApi({ 'GET /v1/clusters': json(200, { clusters: [cluster] }) })
    const { stdout } = await runCli(api, ['cluster', 'list'])
    expect(stdout).toBe(
      'NAME  ENROLLED  EXPECTED  OPEN COMMANDS  CREATED  ID\n' +
        `web   3         1         0              5m ago   ${cluster.id}\n`,
    )
  })

  test('are shown one by one, and printed untouched as JSON, wherever --json stands', async () => {
    await using api = await openFakeApi({ 'GET /v1/clusters/web': json(200, cluster) })
    const { stdout } = await runCli(api, ['cluster', 'show', 'web'])
    expect(stdout).toContain('instances:      3 enrolled, 1 expected\n')
    for (const argv of [
      ['cluster', 'show', 'web', '--json'],
      ['--json', 'cluster', 'show', 'web'],
    ]) {
      expect((await runCli(api, argv)).stdout).toBe(`${JSON.stringify(cluster)}\n`)
    }
  })
})

describe('user-data', () => {
  const userData = { format: 'script', userData: '#!/bin/sh\n', expiresAt: '2031-01-01T00:00:00Z' }

  test('goes to standard output as it is', async () => {
    await using api = await openFakeApi({ 'POST /v1/clusters/web/user-data': json(201, userData) })
    const argv = [
      'user-data',
      'web',
      '--instance',
      'w-1',
      '--format',
      'script',
      '--valid-days',
      '7',
    ]
    expect(await runCli(api, argv)).toEqual({ exitCode: 0, stdout: '#!/bin/sh\n', stderr: '' })
    expect(JSON.parse(String(api.asked.at(0)?.body))).toEqual({
      format: 'script',
      instance: 'w-1',
      validDays: 7,
    })
  })

  test.for([
    [
      'http://127.0.0.1:8888',
      [],
      /^warning: .*http:\/\/127\.0\.0\.1:8888, .*`queue.advertisedUrl`.*\n$/,
    ],
    ['http://127.0.0.1:8888', ['--json'], /^warning: .*`queue.advertisedUrl`.*\n$/],
    ['https://zaqar.example:8888', [], /^$/],
  ] as const)(
    'with the queue service at %s and %j warns of what guests cannot reach',
    async ([queueUrl, flags, stderr]) => {
      const counts = { clusters: 1, instances: 0, openCommands: 0 }
      await using api = await openFakeApi({
        'POST /v1/clusters/web/user-data': json(201, userData),
        'GET /v1/status': json(200, { version: '1', queueUrl, queueReachable: true, ...counts }),
      })
      expect(await runCli(api, ['user-data', 'web', ...flags])).toEqual({
        exitCode: 0,
        stdout: flags.length === 0 ? '#!/bin/sh\n' : `${JSON.stringify(userData)}\n`,
        stderr: expect.stringMatching(stderr),
      })
    },
  )
})

function leaves(entries: readonly CatalogueEntry[], above: readonly string[] = []): string[] {
  return entries.flatMap((entry) => {
    const path = [...above, entry.name]
    return 'commands' in entry ? leaves(entry.commands, path) : [path.join(' ')]
  })
}
