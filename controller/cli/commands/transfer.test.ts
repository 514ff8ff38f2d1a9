import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { aCommand, aResult } from '../../../test/controller-cli/a-command.ts'
import type { Respond } from '../../../test/controller-cli/fake-api.ts'
import { aRunOf, json, openFakeApi, runCli } from '../../../test/controller-cli/fake-api.ts'

const bytes = Buffer.from('Zürich\n\u0000\u0001')
const digest = { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }

const written = aCommand({
  operation: { name: 'write', path: '/srv/f' },
  result: aResult({ answer: digest }),
})

/** A controller that stores what it gets, as its digest says. */
const store: Respond = (response, { body }) => {
  const sha256 = createHash('sha256').update(body).digest('hex')
  json(201, { size: body.length, sha256 })(response)
}

describe('put', () => {
  test('stores the file, and has the instance write it', async () => {
    await using api = await openFakeApi({ ...aRunOf(written), 'POST /v1/contents': store })
    const local = join(api.directory, 'f')
    await writeFile(local, bytes)
    const argv = ['put', local, 'web/worker-1:/srv/f', '--mode', '0600', '--owner', 'www:www']
    expect(await runCli(api, argv)).toEqual({ exitCode: 0, stdout: '', stderr: '' })
    expect(api.asked.at(0)?.body).toEqual(bytes)
    expect(JSON.parse(String(api.asked.at(1)?.body))).toEqual({
      content: { sha256: digest.sha256 },
      operation: {
        name: 'write',
        path: '/srv/f',
        placement: 'replace',
        mode: '0600',
        owner: 'www:www',
      },
    })
  })

  test.for([
    ['/srv/', '/srv/f'],
    ['/', '/f'],
    ['/srv/g', '/srv/g'],
  ] as const)('writes to a file below what ends with a slash: %s', async ([path, expected]) => {
    await using api = await openFakeApi({ ...aRunOf(written), 'POST /v1/contents': store })
    const local = join(api.directory, 'f')
    await writeFile(local, bytes)
    expect((await runCli(api, ['put', local, `web/worker-1:${path}`])).exitCode).toBe(0)
    expect(JSON.parse(String(api.asked.at(1)?.body))).toMatchObject({
      operation: { path: expected },
    })
  })

  test('wants a name for standard input, which has none', async () => {
    await using api = await openFakeApi({})
    const run = await runCli(api, ['put', '-', 'web/worker-1:/srv/'])
    expect(run).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('standard input has no name'),
    })
    expect(api.asked).toEqual([])
  })

  test('takes standard input for -, and does not compare what it only added to', async () => {
    const record = aCommand({ result: aResult({ answer: { size: 99, sha256: 'ab'.repeat(32) } }) })
    await using api = await openFakeApi({ ...aRunOf(record), 'POST /v1/contents': store })
    const stdin = PassThrough.from([bytes])
    const argv = ['put', '-', 'web/worker-1:/srv/f', '--append']
    expect(await runCli(api, argv, { stdin })).toMatchObject({ exitCode: 0 })
    expect(String(api.asked.at(1)?.body)).toContain('"placement":"append"')
  })

  test('exits with 255 when an instance of the cluster was left out, whatever the others did', async () => {
    const reason = { code: 'not-enrolled', message: 'had not enrolled yet' }
    await using api = await openFakeApi({
      ...aRunOf(written),
      'POST /v1/contents': store,
      'POST /v1/clusters/web/commands': json(202, {
        commands: [written],
        leftOut: [{ instance: 'worker-2', reason }],
      }),
    })
    const stdin = PassThrough.from([bytes])
    expect(await runCli(api, ['put', '-', 'web:/srv/f'], { stdin })).toEqual({
      exitCode: 255,
      stdout: '',
      stderr: 'sahara-controller: left out, hence exit code 255: worker-2 (had not enrolled yet)\n',
    })
    const argv = ['put', '-', 'web:/srv/f', '--enrolled-only']
    const enrolledOnly = await runCli(api, argv, { stdin: PassThrough.from([bytes]) })
    expect(enrolledOnly).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  })

  test('does not go on when the controller has other bytes', async () => {
    await using api = await openFakeApi({
      ...aRunOf(written),
      'POST /v1/contents': json(201, { size: 3, sha256: 'cd'.repeat(32) }),
    })
    const run = await runCli(api, ['put', '-', 'web/worker-1:/f'], {
      stdin: PassThrough.from([bytes]),
    })
    expect(run).toMatchObject({ exitCode: 255, stderr: expect.stringContaining('CORRUPT') })
    expect(api.asked.length).toBe(1)
  })

  test('fails when the instance wrote other bytes', async () => {
    const record = aCommand({ result: aResult({ answer: { ...digest, sha256: 'ef'.repeat(32) } }) })
    await using api = await openFakeApi({ ...aRunOf(record), 'POST /v1/contents': store })
    const run = await runCli(api, ['put', '-', 'web/worker-1:/f'], {
      stdin: PassThrough.from([bytes]),
    })
    expect(run).toMatchObject({ exitCode: 255, stderr: expect.stringContaining('CORRUPT') })
  })

  test('names the instances that did not write it, and why', async () => {
    const reason = { code: 'no-space', message: 'the disk is full' }
    const record = aCommand({ state: 'failed', result: aResult({ state: 'failed', reason }) })
    await using api = await openFakeApi({ ...aRunOf(record), 'POST /v1/contents': store })
    const run = await runCli(api, ['put', '-', 'web/worker-1:/f'], {
      stdin: PassThrough.from([bytes]),
    })
    expect(run).toEqual({
      exitCode: 255,
      stdout: '',
      stderr: `error: worker-1: failed after 2.1s: the disk is full (command ${record.id}) (ERR_TRANSFER_FAILED)\n`,
    })
  })

  test.for([
    ['missing', 'ENOENT'],
    ['', 'it is a directory'],
  ] as const)('says why it cannot read %j', async ([name, why]) => {
    await using api = await openFakeApi({})
    const run = await runCli(api, ['put', join(api.directory, name), 'web/worker-1:/f'])
    expect(run.stderr).toMatch(new RegExp(`^error: cannot read .*${why}.*\\(ERR_LOCAL_FILE\\)\n$`))
    expect(api.asked).toEqual([])
  })
})

const read = aCommand({
  operation: { name: 'read', path: '/srv/f' },
  result: aResult({ streams: { content: { ...digest, droppedBytes: 0 } } }),
})

const sendBytes: Respond = (response) => void response.end(bytes)

describe('get', () => {
  const routes = { ...aRunOf(read), [`GET /v1/commands/${read.id}/output`]: sendBytes }

  test('writes the file, whole and nothing else', async () => {
    await using api = await openFakeApi(routes)
    const directory = join(api.directory, 'here')
    await mkdir(directory)
    const run = await runCli(api, ['get', 'web/worker-1:/srv/f', directory])
    expect(run).toEqual({ exitCode: 0, stdout: '', stderr: '' })
    expect(await readdir(directory)).toEqual(['f'])
    expect(await readFile(join(directory, 'f'))).toEqual(bytes)
    expect(api.asked.at(1)?.line).toContain('stream=content')
  })

  test('writes to standard output for -', async () => {
    await using api = await openFakeApi(routes)
    const { stdout } = await runCli(api, ['get', 'web/worker-1:/srv/f', '-'])
    expect(stdout).toBe(bytes.toString())
  })

  test('keeps the files of several instances apart', async () => {
    const other = { ...read, id: read.id.replace(/1$/, '2'), instance: 'worker-2' }
    await using api = await openFakeApi({
      ...routes,
      ...aRunOf(other),
      [`GET /v1/commands/${other.id}/output`]: sendBytes,
      'POST /v1/clusters/web/commands': json(202, { commands: [read, other] }),
    })
    const directory = join(api.directory, 'here')
    await runCli(api, ['get', 'web:/srv/f', directory])
    for (const instance of ['worker-1', 'worker-2']) {
      expect(await readFile(join(directory, instance, 'f'))).toEqual(bytes)
    }
  })

  test.for([
    ['other bytes came', { ...read }, 'Zurich', 'CORRUPT'],
    ['nobody says what was sent', { ...read, result: aResult() }, bytes, 'CORRUPT'],
    ['there is no such file', { ...read, state: 'failed' as const }, '', 'ERR_TRANSFER_FAILED'],
  ] as const)('leaves what is there as it was when %s', async ([, record, came, code]) => {
    await using api = await openFakeApi({
      ...aRunOf(record),
      [`GET /v1/commands/${record.id}/output`]: (response) => void response.end(came),
    })
    const directory = join(api.directory, 'here')
    await mkdir(directory)
    await writeFile(join(directory, 'f'), 'as it was')
    const run = await runCli(api, ['get', 'web/worker-1:/srv/f', directory])
    expect(run).toMatchObject({ exitCode: 255, stderr: expect.stringContaining(code) })
    expect(await readdir(directory)).toEqual(['f'])
    expect(await readFile(join(directory, 'f'), 'utf8')).toBe('as it was')
  })
})
