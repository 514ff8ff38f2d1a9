import { createHash } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { aCommand, aResult } from '../../../test/controller-cli/a-command.ts'
import type { Respond } from '../../../test/controller-cli/fake-api.ts'
import { aRunOf, json, openFakeApi, runCli } from '../../../test/controller-cli/fake-api.ts'

const body = '<jobs/>'
const url = 'http://localhost:11000/oozie'

function answered(status: number) {
  const sha256 = createHash('sha256').update(body).digest('hex')
  const size = body.length
  const headers = [
    ['Content-Type', 'text/xml'],
    ['Set-Cookie', 'a\u001b[2Jb'],
  ]
  return aCommand({
    operation: { name: 'http', url },
    result: aResult({
      streams: { content: { size, sha256, droppedBytes: 0 } },
      answer: { status, reason: 'Fine', headers, size, sha256 },
    }),
  })
}

function answering(status: number): Record<string, Respond> {
  const record = answered(status)
  return {
    ...aRunOf(record),
    [`GET /v1/commands/${record.id}/output`]: (response) => void response.end(body),
  }
}

describe('http', () => {
  test('prints the body of the answer, whatever its status', async () => {
    await using api = await openFakeApi(answering(404))
    const run = await runCli(api, ['http', 'web/worker-1', url, '-H', 'Accept: text/xml'])
    expect(run).toEqual({ exitCode: 0, stdout: body, stderr: '' })
    expect(JSON.parse(String(api.asked.at(0)?.body))).toEqual({
      idempotent: false,
      operation: { name: 'http', method: 'GET', url, headers: [['Accept', 'text/xml']] },
    })
  })

  test('posts a body, and shows status and headers with -i, made safe for the terminal', async () => {
    await using api = await openFakeApi({
      ...answering(201),
      'POST /v1/contents': (response, { body: sent }) => {
        const sha256 = createHash('sha256').update(sent).digest('hex')
        json(201, { size: sent.length, sha256 })(response)
      },
    })
    const stdin = PassThrough.from([Buffer.from('job')])
    const run = await runCli(api, ['http', 'web/worker-1', url, '-i', '--data', '-'], { stdin })
    expect(run).toEqual({
      exitCode: 0,
      stdout: `201 Fine\nContent-Type: text/xml\nSet-Cookie: a\uFFFD[2Jb\n\n${body}`,
      stderr: '',
    })
    expect(JSON.parse(String(api.asked.at(1)?.body))).toMatchObject({
      content: {},
      operation: { method: 'POST' },
    })
  })

  test.for([
    [404, 22, '', 'error: the service answered 404 Fine\n'],
    [302, 0, body, ''],
  ] as const)('with --fail, %i exits with %i', async ([status, exitCode, stdout, stderr]) => {
    await using api = await openFakeApi(answering(status))
    const run = await runCli(api, ['http', 'web/worker-1', url, '--fail'])
    expect(run).toEqual({ exitCode, stdout, stderr })
  })

  test.for([[], ['-i']])('says why there was no answer: %j', async (options) => {
    const reason = { code: 'connection-refused', message: 'nothing listens there' }
    const record = aCommand({ state: 'failed', result: aResult({ state: 'failed', reason }) })
    await using api = await openFakeApi(aRunOf(record))
    const run = await runCli(api, ['http', 'web/worker-1', url, ...options])
    expect(run).toMatchObject({ exitCode: 255, stdout: '' })
    expect(run.stderr).toContain('nothing listens there')
  })

  test('exits with 130 when it was cancelled', async () => {
    const record = aCommand({ state: 'cancelled', result: aResult({ state: 'cancelled' }) })
    await using api = await openFakeApi(aRunOf(record))
    expect(await runCli(api, ['http', 'web/worker-1', url])).toMatchObject({ exitCode: 130 })
  })

  test('takes no method in lower case and no other scheme', async () => {
    const nowhere = { socketPath: '/no/such/controller.sock' }
    const wrong = [
      ['http', 'web/worker-1', 'ftp://localhost/'],
      ['http', 'web/worker-1', url, '-X', 'get'],
      ['http', 'web', url],
    ]
    for (const argv of wrong) expect(await runCli(nowhere, argv)).toMatchObject({ exitCode: 2 })
  })
})
