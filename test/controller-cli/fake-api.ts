import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { CommandRecord } from '../../controller/api/resources.ts'
import { runProgram } from '../../controller/cli/program.ts'
import type { Terminal } from '../../controller/cli/terminal.ts'
import { fakeWorld } from '../fake-world.ts'

/** What the CLI asked for. */
export interface AskedFor {
  /** Method, path and query: `GET /v1/status`. */
  line: string
  body: Buffer
  headers: IncomingMessage['headers']
}

/** Answers one request; the answer may be written piece by piece. */
export type Respond = (response: ServerResponse, asked: AskedFor) => void | Promise<void>

/** A controller's API over a Unix socket that says what a test tells it to; `routes` begin with `METHOD /path`. */
export interface FakeApi extends AsyncDisposable {
  socketPath: string
  directory: string
  asked: AskedFor[]
}

export async function openFakeApi(routes: Readonly<Record<string, Respond>>): Promise<FakeApi> {
  const directory = await mkdtemp(join(tmpdir(), 'fake-api-'))
  const socketPath = join(directory, 'controller.sock')
  const asked: AskedFor[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const line = `${request.method} ${request.url}`
    const body = Buffer.concat(await request.toArray())
    asked.push({ line, body, headers: request.headers })
    const respond = routes[line] ?? routes[line.split('?').at(0) ?? '']
    const asking = { line, body, headers: request.headers }
    await (respond ?? problem(404, 'ERR_ROUTE_NOT_FOUND', `no route ${line}`))(response, asking)
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => response.destroy(error))
  })
  server.listen(socketPath)
  await once(server, 'listening')
  return {
    socketPath,
    directory,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export function json(status: number, value: unknown): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  }
}

export function problem(status: number, code: string, detail: string): Respond {
  return json(status, { type: 'about:blank', title: 'no', status, code, detail })
}

/** Output as the API streams it: `[stream, text]` in order. */
export function output(...pieces: (readonly ['stdout' | 'stderr' | 'content', string])[]): Respond {
  return (response) => {
    let offset = 0
    for (const [stream, text] of pieces) {
      const bytes = Buffer.from(text)
      response.write(`${JSON.stringify({ offset, stream, bytes: bytes.toString('base64url') })}\n`)
      offset += bytes.length
    }
    response.end()
  }
}

/** A command that was posted, streams `pieces`, and has ended as `record` says. */
export function aRunOf(record: CommandRecord, ...pieces: Parameters<typeof output>) {
  return {
    [`POST /v1/clusters/${record.cluster}/instances/${record.instance}/commands`]: json(202, {
      ...record,
      state: 'queued',
      ended: false,
      result: null,
    }),
    [`GET /v1/commands/${record.id}/output`]: output(...pieces),
    [`GET /v1/commands/${record.id}`]: json(200, record),
  }
}

/** Runs the CLI in this process, with streams that keep what was written. */
export async function runCli(
  api: Pick<FakeApi, 'socketPath'>,
  argv: readonly string[],
  differences: Partial<Terminal> = {},
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const [written, told] = [stdout.toArray(), stderr.toArray()]
  const stdin = new PassThrough()
  const exitCode = await runProgram(argv, {
    stdin,
    stdout,
    stderr,
    env: { SAHARA_CONTROLLER_SOCKET: api.socketPath },
    isRoot: false,
    onInterrupt: () => ({ [Symbol.dispose]: () => {} }),
    onStop: () => ({ [Symbol.dispose]: () => {} }),
    // Delays before another attempt take no time here.
    world: { ...fakeWorld(new Date('2030-01-01T12:05:00Z')), sleep: async () => {} },
    ...differences,
  })
  stdout.end()
  stderr.end()
  return {
    exitCode,
    stdout: Buffer.concat(await written).toString(),
    stderr: Buffer.concat(await told).toString(),
  }
}
