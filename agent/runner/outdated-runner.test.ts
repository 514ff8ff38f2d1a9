import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createConnection, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Command } from '../../protocol/messages/command.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { createOperations } from '../operations/begin-command.ts'
import { markBegun, readRecord, recordEnd } from './command-record.ts'
import { createRunnerBench, firstLine, textOf } from './fixtures/runner-bench.ts'
import { readProcess } from './process-table.ts'
import { createRunnerClient } from './runner-client.ts'

const Request = z.looseObject({ kind: z.string(), serial: z.int() })

/** Stands where a runner of before would: `onAsked` sees each request but the hello. */
async function serveInstead(
  state: string,
  onAsked: (socket: Socket, serial: number) => void,
): Promise<AsyncDisposable & { connections: () => number }> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    sockets.add(socket.on('error', () => {}))
    createInterface({ input: socket }).on('line', (line) => {
      const { kind, serial } = Request.parse(JSON.parse(line))
      if (kind !== 'hello') onAsked(socket, serial)
    })
  })
  server.listen(join(state, 'runner.sock'))
  await once(server, 'listening')
  return {
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Notes the pauses instead of making them; those in which it is looked whether a runner hangs do not end. */
function hastyWorld(pauses: number[] = []) {
  const sleep = async (ms: number, signal?: AbortSignal) => {
    if (ms === 10_000) return await realWorld().sleep(2 ** 30, signal)
    pauses.push(ms)
    await nextTurn()
    signal?.throwIfAborted()
  }
  return { ...realWorld(), sleep }
}

describe('a runner that breaks off at what it is asked', () => {
  test('is asked five times, ever more slowly, and then can never begin it', async () => {
    await using bench = createRunnerBench()
    await using runner = await serveInstead(bench.state, (socket) => socket.destroy())
    const pauses: number[] = []
    await using client = createRunnerClient({ stateDirectory: bench.state }, hastyWorld(pauses))
    const spec = bench.aSpec('true')
    using _own = forgetsKeeper(spec.directory)
    await expect(client.begin(spec)).rejects.toMatchObject({
      code: 'ERR_RUNNER_UNREACHABLE',
    })
    expect(runner.connections()).toBe(5)
    expect(pauses).toHaveLength(4)
    expect(pauses.at(-1)).toBeGreaterThan(pauses.at(0) ?? Infinity)
    // None was started beside the one that is there, and that one finds the command begun.
    expect(existsSync(join(bench.state, 'runner.log'))).toBe(false)
    expect(markBegun(spec.directory, new Date())).toBe(false)
  })

  test('but has begun it, is waited for', async () => {
    await using bench = createRunnerBench()
    const spec = bench.aSpec('true')
    using _own = forgetsKeeper(spec.directory)
    await using _runner = await serveInstead(bench.state, (socket) => {
      if (!existsSync(join(spec.directory, 'begun'))) markBegun(spec.directory, new Date())
      socket.destroy()
    })
    await using client = createRunnerClient({ stateDirectory: bench.state }, hastyWorld())
    const running = await client.begin(spec)
    expect(await readRecord(spec.directory)).toMatchObject({ kind: 'begun', keeperAlive: true })
    const answer = { outputBytes: 0, streams: {}, survivors: [], answer: {} }
    recordEnd(spec.directory, { state: 'failed', exitCode: 3, endedAt: new Date(), ...answer })
    expect(await running.ended).toMatchObject({ state: 'failed', exitCode: 3 })
  })
})

describe('a runner that does not understand what it is asked', () => {
  test('says so, and the connection stays', async () => {
    await using bench = createRunnerBench()
    const running = await bench.client.begin(bench.aSpec('echo there; sleep 30'))
    await firstLine(running)
    const socket = createConnection(join(bench.state, 'runner.sock'))
    const answers = createInterface({ input: socket })[Symbol.asyncIterator]()
    const request = { kind: 'begin', serial: 7, spec: { novelty: true } }
    for (const serial of [7, 8]) {
      socket.write(`${JSON.stringify({ ...request, serial })}\n`)
      const line = z.string().parse((await answers.next()).value)
      expect(JSON.parse(line)).toEqual({ kind: 'not-understood', serial })
    }
    socket.destroy()
    await running.cancel(0)
  })

  test('fails the command by name', async () => {
    await using bench = createRunnerBench()
    await using runner = await serveInstead(bench.state, (socket, serial) => {
      socket.write(`${JSON.stringify({ kind: 'not-understood', serial })}\n`)
    })
    await using operations = createOperations({ stateDirectory: bench.state }, realWorld())
    const { id, directory } = bench.aSpec('')
    using _own = forgetsKeeper(directory)
    const soon = new Date(Date.now() + 60_000).toISOString()
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
      operation: { name: 'exec', argv: ['true'] },
    })
    const running = await operations.begin({
      command,
      directory,
      contentPath: null,
      deadlineMs: 60_000,
    })
    expect(await running.ended).toMatchObject({
      state: 'failed',
      reason: { code: 'runner-outdated' },
    })
    expect(runner.connections()).toBe(1)
  })
})

describe('a runner that an agent of another version started', () => {
  test('ends when its commands have, though the new agent stays connected', async () => {
    await using bench = createRunnerBench()
    const spec = bench.aSpec('echo begun; read line < gate; echo $line', { cwd: bench.state })
    const next = bench.aSpec('echo next')
    await using client = createRunnerClient(
      { stateDirectory: bench.state, version: 'another' },
      realWorld(),
    )
    const gate = join(bench.state, 'gate')
    execFileSync('mkfifo', [gate])
    await firstLine(await bench.client.begin(spec))
    const found = await client.resume(spec.id, spec.directory)
    if (found.kind === 'never-begun') throw new Error('it was begun')
    writeFileSync(gate, 'end\n')
    expect(await textOf(found.running)).toBe('begun\nend\n')
    await untilGone(bench.keeperOf(spec))
    expect(await textOf(await client.begin(next))).toBe('next\n')
    expect(bench.keeperOf(next)).not.toBe(bench.keeperOf(spec))
  })

  test('begins nothing more once it has none', async () => {
    await using bench = createRunnerBench()
    const first = bench.aSpec('true')
    await (await bench.client.begin(first)).ended
    await using client = createRunnerClient(
      { stateDirectory: bench.state, version: 'another' },
      realWorld(),
    )
    const second = bench.aSpec('echo new')
    expect(await textOf(await client.begin(second))).toBe('new\n')
    expect(bench.keeperOf(second)).not.toBe(bench.keeperOf(first))
  })
})

/** The bench ends whoever began a command: here that was this process. */
function forgetsKeeper(directory: string): Disposable {
  const path = join(directory, 'begun')
  return {
    [Symbol.dispose]: () => {
      if (existsSync(path)) writeFileSync(path, JSON.stringify({ keeper: { pid: 2 ** 30 } }))
    },
  }
}

async function untilGone(pid: number): Promise<void> {
  while (readProcess(pid) !== undefined) await new Promise((resolve) => setTimeout(resolve, 10))
}
