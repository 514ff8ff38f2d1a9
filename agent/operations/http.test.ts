import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Command } from '../../protocol/messages/command.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { collect } from '../runner/fixtures/runner-bench.ts'
import { createOperations, type Operations } from './begin-command.ts'
import type { CommandToRun, RunningCommand } from './operation.ts'

let state: string
let operations: Operations
let opened: AsyncDisposableStack
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'sahara-http-'))
  opened = new AsyncDisposableStack()
  operations = opened.use(
    createOperations({ stateDirectory: state, spoolLimitBytes: 1024 * 1024 }, realWorld()),
  )
})
afterEach(async () => {
  await opened.disposeAsync()
  rmSync(state, { recursive: true, force: true })
})

function toRun(
  fields: Record<string, unknown>,
  content?: string,
  over: Record<string, unknown> = {},
): CommandToRun {
  const id = randomUUID()
  const directory = join(state, 'commands', id)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const contentPath = content === undefined ? null : join(directory, 'content')
  if (contentPath !== null) writeFileSync(contentPath, content ?? '', { mode: 0o600 })
  const soon = new Date(Date.now() + 60_000).toISOString()
  const sha256 = createHash('sha256')
    .update(content ?? '')
    .digest('hex')
  const command = Command.parse({
    v: 1,
    id,
    cluster: randomUUID(),
    instance: randomUUID(),
    issuedAt: soon,
    startBy: soon,
    deadline: soon,
    timeoutSeconds: 30,
    replyKey: Buffer.alloc(32).toString('base64url'),
    ...(content === undefined ? {} : { content: { size: Buffer.byteLength(content), sha256 } }),
    operation: { name: 'http', ...fields },
    ...over,
  })
  return { command, directory, contentPath, deadlineMs: 60_000 }
}

async function ask(fields: Record<string, unknown>, content?: string, over = {}) {
  const running = await operations.begin(toRun(fields, content, over))
  const [body, result] = await Promise.all([bodyOf(running), running.ended])
  return { body: body.toString('latin1'), result }
}

/** The body, said to be sent as it comes. */
async function bodyOf(running: RunningCommand): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const { offset, bytes } of running.output(0, new AbortController().signal)) {
    pieces.push(bytes)
    await running.discardOutput(offset + bytes.length)
  }
  return Buffer.concat(pieces)
}

/** Listens on loopback, on a port of its own; closes with the test. */
async function listen(server: Server | TcpServer, host = '127.0.0.1'): Promise<number> {
  server.listen(0, host)
  await once(server, 'listening')
  opened.defer(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return z.object({ port: z.int() }).parse(server.address()).port
}

async function serve(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(listener))}`
}

describe('the http operation', () => {
  test('sends method, path, query, repeated headers and body, and answers with status, headers and body', async () => {
    const seen: unknown[] = []
    const url = await serve((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { method, url: path, headers, rawHeaders } = request
        seen.push({ method, path, host: headers.host, length: headers['content-length'] })
        seen.push(rawHeaders.filter((each) => /^x-/i.test(each) || /^(one|two)$/.test(each)))
        seen.push(Buffer.concat(chunks).toString())
        response.writeHead(418, 'Short And Stout', [
          ['X-Twice', 'a'],
          ['X-Twice', 'b'],
        ])
        response.end('no coffee')
      })
    })
    const headers = [
      ['X-Many', 'one'],
      ['X-Many', 'two'],
      ['Connection', 'upgrade'],
      ['Transfer-Encoding', 'chunked'],
    ]
    const { body, result } = await ask(
      { method: 'PUT', url: `${url}/oozie/v1?a=%20b#part`, headers },
      'the body',
    )
    expect(seen).toEqual([
      { method: 'PUT', path: '/oozie/v1?a=%20b', host: new URL(url).host, length: '8' },
      ['X-Many', 'one', 'X-Many', 'two'],
      'the body',
    ])
    expect(body).toBe('no coffee')
    expect(result).toMatchObject({
      state: 'succeeded',
      outputBytes: 9,
      answer: {
        status: 418,
        reason: 'Short And Stout',
        size: 9,
        sha256: createHash('sha256').update('no coffee').digest('hex'),
      },
    })
    expect(z.array(z.array(z.string())).parse(result.answer['headers']).slice(0, 2)).toEqual([
      ['X-Twice', 'a'],
      ['X-Twice', 'b'],
    ])
  })

  test('keeps a Host header that the caller brings', async () => {
    const url = await serve((request, response) => response.end(request.headers.host))
    const headers = [['Host', 'node-1.novalocal:11000']]
    expect((await ask({ url, headers })).body).toBe('node-1.novalocal:11000')
  })

  test('streams an answer that is larger than its spool', async () => {
    const block = Buffer.alloc(256 * 1024, 'x')
    const url = await serve((_request, response) => {
      for (let count = 0; count < 16; count += 1) response.write(block)
      response.end()
    })
    const { body, result } = await ask({ url })
    expect(body.length).toBe(4 * 1024 * 1024)
    expect(result.answer['size']).toBe(4 * 1024 * 1024)
  })

  test('does not decompress, and does not follow a redirect', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(302, {
        location: 'http://169.254.169.254/latest/',
        'content-encoding': 'gzip',
      })
      response.end('as it came')
    })
    const { body, result } = await ask({ url })
    expect(body).toBe('as it came')
    expect(result).toMatchObject({ state: 'succeeded', answer: { status: 302 } })
  })

  test.for(['HEAD', 'GET'])('ends an answer without a body: %s', async (method) => {
    const url = await serve((_request, response) => {
      response.writeProcessing()
      response.writeHead(
        method === 'HEAD' ? 200 : 204,
        method === 'HEAD' ? { 'content-length': 5 } : {},
      )
      response.end()
    })
    const { body, result } = await ask({ method, url })
    expect(body).toBe('')
    expect(result).toMatchObject({ state: 'succeeded', outputBytes: 0, answer: { size: 0 } })
  })

  test('takes an answer that comes before the body was sent', async () => {
    const port = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => undefined)
        socket.once('data', () => {
          socket.pause()
          socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nstop')
        })
      }),
    )
    const url = `http://127.0.0.1:${port}/`
    const { body, result } = await ask({ method: 'POST', url }, 'x'.repeat(8 * 1024 * 1024))
    expect(body).toBe('stop')
    expect(result).toMatchObject({ state: 'succeeded', answer: { status: 413 } })
  })

  test('takes an answer that comes while the body is sent', async () => {
    const url = await serve((request, response) => void request.pipe(response))
    const text = 'x'.repeat(8 * 1024 * 1024)
    expect((await ask({ method: 'POST', url }, text)).body).toBe(text)
  })

  test('tries the other address of a name when nothing listens on the first', async () => {
    const port = await listen(createServer((_request, response) => response.end('here')))
    expect((await ask({ url: `http://localhost:${port}/` })).body).toBe('here')
  })

  test('speaks to a TLS service that signed its own certificate', async () => {
    const [key, cert] = [join(state, 'key.pem'), join(state, 'cert.pem')]
    execFileSync(
      'openssl',
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${key} -out ${cert} -days 1 -subj /CN=ambari`.split(
        ' ',
      ),
      { stdio: 'ignore' },
    )
    const port = await listen(
      createSecureServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) =>
        response.end('secure'),
      ),
    )
    expect((await ask({ url: `https://127.0.0.1:${port}/` })).body).toBe('secure')
  })
})

describe('a request that is not allowed, or goes wrong', () => {
  test.for([
    ['http://169.254.169.254/latest/meta-data/', 'refused', 'address-not-allowed'],
    ['http://[::ffff:169.254.169.254]/', 'refused', 'address-not-allowed'],
    ['http://[fe80::1]/', 'refused', 'address-not-allowed'],
    ['http://[::ffff:127.0.0.1]/', 'refused', 'address-not-allowed'],
    ['http://2852039166/', 'refused', 'address-not-allowed'],
    ['http://0.0.0.0/', 'refused', 'address-not-allowed'],
    ['http://192.0.2.1/', 'refused', 'address-not-allowed'],
    ['http://user:secret@127.0.0.1/', 'refused', 'operation-malformed'],
    ['http://no-such-name.invalid/', 'failed', 'no-such-host'],
  ] as const)('%s is %s: %s', async ([url, endState, code]) => {
    const { result } = await ask({ url })
    expect(result).toMatchObject({ state: endState, reason: { code } })
    expect(result.reason?.message).not.toContain('secret')
  })

  test('CONNECT would open a tunnel, and is refused', async () => {
    const { result } = await ask({ method: 'CONNECT', url: 'http://127.0.0.1:1/' })
    expect(result).toMatchObject({ state: 'refused', reason: { code: 'operation-malformed' } })
  })

  test('nothing listens there', async () => {
    const server = createTcpServer()
    const port = await listen(server)
    server.close()
    const { result } = await ask({ url: `http://127.0.0.1:${port}/` })
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'connection-refused' } })
  })

  test.for([
    [
      'half a body',
      'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this',
      'connection-reset',
      9,
    ],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', 'not-http', 0],
    [
      'endless headers',
      `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
      'headers-too-large',
      0,
    ],
    [
      'a switch of protocols',
      `HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n`,
      'not-http',
      0,
    ],
    ['nothing', '', 'connection-reset', 0],
  ] as const)('%s is told: $2', async ([, answer, code, outputBytes]) => {
    const port = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => undefined)
        socket.once('data', () => socket.end(answer))
      }),
    )
    const { result } = await ask({ url: `http://127.0.0.1:${port}/` })
    expect(result).toMatchObject({ state: 'failed', reason: { code }, outputBytes })
  })

  test('a header that HTTP cannot carry is told as the caller’s mistake', async () => {
    const url = await serve((_request, response) => response.end())
    const { result } = await ask({ url, headers: [['X-Bad', 'a\nb']] })
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'operation-malformed' } })
  })

  test('a server that never answers: the timeout ends it, and a cancel does', async () => {
    const port = await listen(createTcpServer(() => undefined))
    const url = `http://127.0.0.1:${port}/`
    const { result } = await ask({ url }, undefined, { timeoutSeconds: 0.05 })
    expect(result).toMatchObject({ state: 'timed-out', reason: { code: 'timeout' } })
    const running = await operations.begin(toRun({ url }))
    await running.cancel(0)
    expect(await running.ended).toMatchObject({ state: 'cancelled' })
  })
})

describe('an agent that is started again', () => {
  test('does not make a request a second time that was under way', async () => {
    const arrived = Promise.withResolvers<void>()
    let requests = 0
    const url = await serve((_request, response) => {
      requests += 1
      response.write('half of it, ')
      arrived.resolve()
    })
    const interrupted = toRun({ method: 'POST', url })
    const lost = await operations.begin(interrupted)
    await arrived.promise
    const half = lost.output(0, new AbortController().signal)[Symbol.asyncIterator]()
    await half.next()
    const found = await operations.resume(interrupted)
    if (found.kind !== 'interrupted') throw new Error(found.kind)
    expect(await found.running.ended).toMatchObject({ state: 'interrupted', outputBytes: 12 })
    expect((await collect(found.running)).map(({ bytes }) => String(Buffer.from(bytes)))).toEqual([
      'half of it, ',
    ])
    expect(requests).toBe(1)
    await lost.cancel(0)
    await lost.ended
  })

  test('makes an idempotent one again, from its beginning', async () => {
    const url = await serve((_request, response) => response.end('again'))
    const again = toRun({ url }, undefined, { idempotent: true })
    writeFileSync(join(again.directory, 'begun'), '{}')
    writeFileSync(join(again.directory, 'output-0'), 'left behind')
    expect((await operations.resume(again)).kind).toBe('interrupted')
    const running = await operations.beginAgain(again)
    expect(String(await bodyOf(running))).toBe('again')
    expect(await running.ended).toMatchObject({ state: 'succeeded', outputBytes: 5 })
  })

  test('finds the end of one that had ended, and its output', async () => {
    const url = await serve((_request, response) => response.end('done'))
    const done = toRun({ url })
    const running = await operations.begin(done)
    const result = await running.ended
    const found = await operations.resume(done)
    if (found.kind !== 'running-or-ended') throw new Error(found.kind)
    expect(await found.running.ended).toEqual(result)
    expect(String(await bodyOf(found.running))).toBe('done')
  })

  test('begins what was never begun', async () => {
    expect(await operations.resume(toRun({ url: 'http://127.0.0.1/' }))).toEqual({
      kind: 'never-begun',
    })
  })
})
