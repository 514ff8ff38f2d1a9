import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realWorld } from '../../protocol/real-world.ts'
import {
  collect,
  createRunnerBench,
  firstLine,
  kill,
  type RunnerBench,
  sha256,
  textOf,
} from './fixtures/runner-bench.ts'
import { readProcess } from './process-table.ts'
import { createRunnerClient } from './runner-client.ts'

const isRoot = process.geteuid?.() === 0
const asNobody = isRoot ? { user: 'nobody' } : { user: null }

// One for all tests, as to start a runner takes a while; each test has commands of its own.
let bench: RunnerBench
beforeAll(() => {
  bench = createRunnerBench()
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

async function run(script: string, over: Parameters<RunnerBench['aSpec']>[1] = {}) {
  const running = await bench.client.begin(bench.aSpec(script, over))
  return { running, result: await running.ended, text: await textOf(running) }
}

describe('a command that ends by itself', () => {
  test('succeeds with exit code 0', async () => {
    const { result, text } = await run('echo hello')
    expect(result).toMatchObject({ state: 'succeeded', exitCode: 0, outputBytes: 6, survivors: [] })
    expect(result.streams).toEqual({
      stdout: { size: 6, sha256: sha256('hello\n'), droppedBytes: 0 },
    })
    expect(text).toBe('hello\n')
  })

  test.for([
    ['exit 3', { state: 'failed', exitCode: 3 }],
    ['kill -KILL $$', { state: 'failed', signal: 'SIGKILL' }],
    ['kill -TERM $$', { state: 'failed', signal: 'SIGTERM' }],
    ['exit 143', { state: 'failed', exitCode: 143 }],
  ] as const)('tells exit code and signal apart: %s', async ([script, expected]) => {
    const { result } = await run(script)
    expect(result).toMatchObject(expected)
    expect('signal' in result).toBe('signal' in expected)
  })

  test('keeps the order of its two streams, and can open them again by name', async () => {
    const { running } = await run(
      'for i in 1 2 3; do echo out$i; sleep 0.03; echo err$i > /dev/stderr; sleep 0.03; done',
    )
    const lines = (await collect(running)).map(
      ({ stream, bytes }) => `${stream} ${Buffer.from(bytes).toString().trim()}`,
    )
    expect(lines).toEqual([1, 2, 3].flatMap((i) => [`stdout out${i}`, `stderr err${i}`]))
  })

  test('does not wait for what it left in the background, and names it', async () => {
    // Until it has become `sleep` it is still a shell, and would rightly be named so.
    const becomesSleep = 'until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done'
    const { result, text } = await run(`sleep 30 & ${becomesSleep}; echo $!`)
    const pid = Number(text)
    expect(result).toMatchObject({ state: 'succeeded', survivors: [{ pid, program: 'sleep' }] })
    expect(readProcess(pid)).toBeDefined()
    kill(pid)
  })

  test('has a clean environment, its own id, and what was added', async () => {
    const spec = bench.aSpec('env', { env: { EXTRA: 'a b' } })
    const running = await bench.client.begin(spec)
    const names = (await textOf(running)).trim().split('\n')
    expect(names).toContain('EXTRA=a b')
    expect(names).toContain(`SAHARA_COMMAND_ID=${spec.id}`)
    const keys = names.map((line) => line.split('=')[0] ?? '')
    const allowed = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'PWD', 'OLDPWD', 'SHLVL']
    expect(
      keys.filter((key) => ![...allowed, '_', 'EXTRA', 'SAHARA_COMMAND_ID'].includes(key)),
    ).toEqual([])
  })

  test('gets a script as a file, whose path is the last word', async () => {
    const { text } = await run('', {
      run: {
        kind: 'script',
        interpreter: ['/bin/sh', '-e'],
        text: 'basename "$0"; false; echo no',
      },
    })
    expect(text).toBe('script\n')
  })
})

describe('a command that cannot be begun', () => {
  test.for([
    [
      'no program of that name',
      { run: { kind: 'argv', argv: ['no-such-thing'] } },
      'no-such-program',
      127,
    ],
    [
      'a program that may not be executed',
      { run: { kind: 'argv', argv: ['/etc/passwd'] } },
      'not-executable',
      126,
    ],
    ['no such directory', { cwd: '/no/such/place' }, 'no-such-directory', undefined],
    ['no such user', { user: 'nobody-of-that-name' }, 'no-such-user', undefined],
    [
      'a NUL byte in a word',
      { run: { kind: 'argv', argv: ['echo', 'a\0b'] } },
      'operation-malformed',
      undefined,
    ],
  ] as const)('fails with a reason: %s', async ([, over, code, exitCode]) => {
    const copy = structuredClone(over)
    const spec = { ...bench.aSpec('true'), ...copy }
    const running = await bench.client.begin({
      ...spec,
      run: spec.run.kind === 'argv' ? { kind: 'argv', argv: [...spec.run.argv] } : spec.run,
    })
    const result = await running.ended
    expect(result).toMatchObject({ state: 'failed', reason: { code } })
    expect(result.exitCode).toBe(exitCode)
  })

  test('is not begun a second time', async () => {
    const spec = bench.aSpec('echo once >> count', { cwd: bench.state })
    const running = await bench.client.begin(spec)
    await running.ended
    const again = await bench.client.begin(spec)
    expect(await again.ended).toMatchObject({ state: 'succeeded' })
    expect(readFileSync(join(bench.state, 'count'), 'utf8')).toBe('once\n')
  })
})

describe('a command that is ended early', () => {
  /** Goes into sessions of its own, loses its parents, and hears no TERM: its numbers, when all are there. */
  const stubborn = [
    'trap "" TERM',
    'setsid sleep 300 & echo $!',
    "(setsid sh -c 'sleep 301 & echo $!; wait' &)",
    'sleep 302 & echo $!',
    'sleep 0.2; echo ready; sleep 303',
  ].join('; ')

  test('by its timeout, is ended with its whole tree', async () => {
    const { result, text } = await run(stubborn, { timeoutMs: 500, graceMs: 100 })
    expect(result).toMatchObject({ state: 'timed-out', reason: { code: 'timeout' }, survivors: [] })
    expect(numbersIn(text)).toHaveLength(3)
    expect(numbersIn(text).filter((pid) => readProcess(pid) !== undefined)).toEqual([])
  })

  test('by silence, although it printed at first', async () => {
    const { result } = await run('echo a; sleep 0.1; echo b; exec sleep 300', { silenceMs: 300 })
    expect(result).toMatchObject({
      state: 'timed-out',
      reason: { code: 'silence' },
      signal: 'SIGTERM',
      outputBytes: 4,
    })
  })

  test('by its deadline, has ended then, whatever the grace period', async () => {
    const began = performance.now()
    const { result } = await run('trap "" TERM; while :; do sleep 1; done', {
      deadlineMs: 500,
      graceMs: 60_000,
    })
    expect(result).toMatchObject({ state: 'timed-out', reason: { code: 'deadline' } })
    expect(performance.now() - began).toBeLessThan(3000)
  })

  test('by a cancel, may clean up and choose its exit code', async () => {
    const running = await bench.client.begin(
      bench.aSpec('trap "echo bye; exit 9" TERM; echo ready; while :; do sleep 0.05; done'),
    )
    await firstLine(running)
    await running.cancel(10)
    await running.cancel(10)
    expect(await running.ended).toMatchObject({ state: 'cancelled', exitCode: 9 })
    expect(await textOf(running)).toMatch(/bye\n$/)
    await running.cancel(0)
  })

  test('by a second cancel without grace, is killed at once', async () => {
    const running = await bench.client.begin(bench.aSpec(stubborn))
    await firstLine(running)
    await running.cancel(60)
    await running.cancel(0)
    expect(await running.ended).toMatchObject({ state: 'cancelled', signal: 'SIGKILL' })
  })

  test('on a terminal, is ended with what runs on it', async () => {
    const { result, text } = await run('echo $$; exec sleep 300', {
      pty: true,
      timeoutMs: 300,
      graceMs: 5000,
    })
    expect(result).toMatchObject({ state: 'timed-out', survivors: [] })
    expect(readProcess(Number(text.trim()))).toBeUndefined()
    expect(text).not.toContain('terminated')
  })
})

describe('the output of a command', () => {
  const bytes = 100 * 1024 * 1024
  const flood = `head -c ${bytes} /dev/zero | tr '\\0' x`

  test('of 100 MB arrives whole, while the runner stays small', { timeout: 60_000 }, async () => {
    const spec = bench.aSpec(flood, { spoolLimitBytes: 16 * 1024 * 1024 })
    const running = await bench.client.begin(spec)
    const hash = createHash('sha256')
    let end = 0
    let discarded = 0
    let peakKiB = 0
    let largestSpool = 0
    for await (const chunk of running.output(0, new AbortController().signal)) {
      expect(chunk.offset).toBe(end)
      hash.update(chunk.bytes)
      end += chunk.bytes.length
      if (end - discarded < 2 * 1024 * 1024) continue
      discarded = end
      await running.discardOutput(end)
      peakKiB = Math.max(peakKiB, residentKiB(bench.keeperOf(spec)))
      largestSpool = Math.max(largestSpool, spoolBytes(spec.directory))
    }
    const result = await running.ended
    expect(result).toMatchObject({ state: 'succeeded', outputBytes: bytes })
    expect(result.streams.stdout).toEqual({
      size: bytes,
      sha256: hash.digest('hex'),
      droppedBytes: 0,
    })
    expect(largestSpool).toBeLessThan(24 * 1024 * 1024)
    expect(peakKiB).toBeLessThan(200 * 1024)
  })

  test('that nobody fetches holds the command back at the limit, and no output is lost', async () => {
    const limit = 1024 * 1024
    const spec = bench.aSpec(`${flood} | head -c ${4 * limit}; echo done >&2`, {
      spoolLimitBytes: limit,
      segmentBytes: limit / 4,
      silenceMs: 500,
    })
    const running = await bench.client.begin(spec)
    const seen = running.output(0, new AbortController().signal)[Symbol.asyncIterator]()
    let end = 0
    while (end < limit) end += (await seen.next()).value?.bytes.length ?? 0
    await new Promise((resolve) => setTimeout(resolve, 1000))
    // Held back for longer than its silence allows: that is our doing, not its.
    expect(spoolBytes(spec.directory)).toBeLessThan(2 * limit)
    await running.discardOutput(end)
    for (let next = await seen.next(); !next.done; next = await seen.next()) {
      end = next.value.offset + next.value.bytes.length
      await running.discardOutput(end)
    }
    expect(end).toBe(4 * limit + 5)
    expect(await running.ended).toMatchObject({ state: 'succeeded', outputBytes: end })
  })

  test.skipIf(!isRoot)('on a full disk ends the command, and the end is still told', async () => {
    const small = join(bench.state, 'small')
    const mounted = await sh(`mkdir ${small} && mount -t tmpfs -o size=256k none ${small}`)
    if (mounted !== 0) return
    try {
      const spec = bench.aSpec('yes')
      const running = await bench.client.begin({ ...spec, directory: small })
      const result = await running.ended
      expect(result).toMatchObject({ state: 'failed', reason: { code: 'no-space' } })
      expect(result.streams.stdout?.droppedBytes).toBeGreaterThan(0)
      expect((await textOf(running)).length).toBe(result.outputBytes)
      expect(readdirSync(small)).toContain('end.json')
      expect((await run('echo fine')).text).toBe('fine\n')
    } finally {
      await sh(`umount -l ${small}`)
    }
  })
})

describe('standard input', () => {
  test('is empty unless something is fed', async () => {
    expect((await run('wc -c')).text.trim()).toBe('0')
  })

  test('can be a file', async () => {
    const path = join(bench.state, 'input')
    writeFileSync(path, 'from a file')
    expect((await run('cat', { stdin: { kind: 'file', path } })).text).toBe('from a file')
  })

  test('is fed in chunks: one that comes twice is used once, a hole is refused', async () => {
    const running = await bench.client.begin(bench.aSpec('cat', { stdin: { kind: 'open' } }))
    const feed = async (offset: number, text: string, end = false) =>
      running.feedStdin(offset, Buffer.from(text), end)
    expect(await feed(0, 'abc')).toEqual({ taken: true })
    expect(await feed(0, 'abc')).toEqual({ taken: true })
    expect(await feed(1, 'bcde')).toEqual({ taken: true })
    expect(await feed(9, 'z')).toEqual({ taken: false, reason: 'hole', nextOffset: 5 })
    expect(await feed(5, 'f', true)).toEqual({ taken: true })
    await running.ended
    expect(await textOf(running)).toBe('abcdef')
    expect(await feed(6, 'g')).toMatchObject({ taken: false, reason: 'ended' })
  })

  test('that the program closes early does no harm', async () => {
    const running = await bench.client.begin(
      bench.aSpec('exec <&-; echo closed; sleep 0.3', { stdin: { kind: 'open' } }),
    )
    await firstLine(running)
    for (let offset = 0; offset < 10; offset += 1) {
      await running.feedStdin(offset * 65_536, Buffer.alloc(65_536), false)
    }
    expect(await running.ended).toMatchObject({ state: 'succeeded' })
  })

  test('is not open unless asked for', async () => {
    const running = await bench.client.begin(bench.aSpec('sleep 0.3'))
    const verdict = await running.feedStdin(0, Buffer.from('x'), false)
    expect(verdict).toEqual({ taken: false, reason: 'not-open', nextOffset: 0 })
  })
})

describe('a terminal', () => {
  test('is one, has a size, and keeps the exit code', async () => {
    const { result, text } = await run('test -t 0 && test -t 1 && stty size; echo $SHELL; exit 5', {
      pty: true,
    })
    expect(text.split('\r\n')[0]).toBe('24 80')
    expect(text).not.toContain('/bin/sh /')
    expect(result).toMatchObject({ state: 'failed', exitCode: 5 })
  })

  test('passes on what is fed, and its end', async () => {
    const running = await bench.client.begin(
      bench.aSpec('stty -echo; echo ready; cat; echo over', {
        pty: true,
        stdin: { kind: 'open' },
      }),
    )
    await firstLine(running)
    await running.feedStdin(0, Buffer.from('a line\n'), true)
    expect(await running.ended).toMatchObject({ state: 'succeeded' })
    expect(await textOf(running)).toBe('ready\r\na line\r\nover\r\n')
  })
})

// Only root can become somebody else.
describe.skipIf(!isRoot)('a command of another user', () => {
  test('has that user’s ids, groups and environment', async () => {
    const { text } = await run('id -u; id -G; echo $USER $HOME', asNobody)
    expect(text).toBe('65534\n65534\nnobody /nonexistent\n')
  })

  test('has no variable of its own in what root starts for it', async () => {
    const traces = join(bench.state, 'traces')
    mkdirSync(traces)
    chmodSync(bench.state, 0o755)
    chmodSync(traces, 0o777)
    // The dynamic loader of each program that has these writes a file, as whoever runs it.
    const env = { LD_DEBUG: 'libs', LD_DEBUG_OUTPUT: join(traces, 'of') }
    const { result } = await run('id', { ...asNobody, env, cwd: '/' })
    chmodSync(bench.state, 0o700)
    expect(result.state).toBe('succeeded')
    const writers = readdirSync(traces).map((name) => statSync(join(traces, name)).uid)
    expect(new Set(writers)).toEqual(new Set([65_534]))
  })

  test('gets its variables as they are', async () => {
    const awkward = `it's "$HOME" \\ \n two\n`
    const env = { AWKWARD: awkward, UID: '5', PATH: '/usr/bin:/bin' }
    const script = `printf %s "$AWKWARD" | sha256sum; echo $PATH`
    for (const pty of [false, true]) {
      const { text } = await run(script, { ...asNobody, env, pty })
      expect(text.replaceAll('\r', '')).toBe(`${sha256(awkward)}  -\n/usr/bin:/bin\n`)
    }
    const { result } = await run('true', { ...asNobody, env: { A: 'a\0b' } })
    expect(result).toMatchObject({ reason: { code: 'operation-malformed' } })
  })

  test('gets its script although it cannot enter the command’s directory', async () => {
    for (const pty of [false, true]) {
      const { text } = await run('', {
        ...asNobody,
        pty,
        run: {
          kind: 'script',
          interpreter: ['/bin/bash'],
          text: 'id -un; echo fine > /dev/stdout',
        },
      })
      expect(text.replaceAll('\r', '')).toBe('nobody\nfine\n')
    }
  })

  test('fails where that user cannot enter the directory, though root can', async () => {
    const { result } = await run('pwd', { ...asNobody, cwd: bench.state })
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'no-such-directory' } })
  })

  test('is ended like any other', async () => {
    const { result } = await run('sleep 300 & wait', { ...asNobody, timeoutMs: 200 })
    expect(result).toMatchObject({ state: 'timed-out', survivors: [] })
  })
})

describe('when the agent is killed', () => {
  test('its command goes on, and the next agent finds its output and its end', async () => {
    const spec = bench.aSpec('echo one; read line < gate; echo $line; exit 4', { cwd: bench.state })
    await sh(`mkfifo ${bench.state}/gate`)
    await killAgentAfterBegin(spec)
    const resumption = await bench.client.resume(spec.id, spec.directory)
    expect(resumption.kind).toBe('running-or-ended')
    if (resumption.kind === 'never-begun') return
    await sh(`echo two > ${bench.state}/gate`)
    expect(await resumption.running.ended).toMatchObject({ state: 'failed', exitCode: 4 })
    expect(await textOf(resumption.running)).toBe('one\ntwo\n')
  })

  test('a command that ended meanwhile is found as it ended, with its runner gone', async () => {
    const spec = bench.aSpec('echo done')
    await killAgentAfterBegin(spec)
    await untilEnded(spec)
    kill(bench.keeperOf(spec))
    await untilGone(bench.keeperOf(spec))
    const resumption = await bench.client.resume(spec.id, spec.directory)
    if (resumption.kind === 'never-begun') throw new Error('it was begun')
    expect(await resumption.running.ended).toMatchObject({ state: 'succeeded' })
    expect(await textOf(resumption.running)).toBe('done\n')
  })

  test('a command that was never begun is found as such', async () => {
    const spec = bench.aSpec('true')
    expect(await bench.client.resume(spec.id, spec.directory)).toEqual({ kind: 'never-begun' })
  })
})

describe('when the runner is killed', () => {
  test('the command is interrupted, and what is left of it is killed', async () => {
    const spec = bench.aSpec('setsid sleep 300 & echo $!; sleep 301')
    const running = await bench.client.begin(spec)
    const pid = Number(await firstLine(running))
    kill(bench.keeperOf(spec))
    expect(await running.ended).toMatchObject({ state: 'interrupted', survivors: [] })
    expect(readProcess(pid)).toBeUndefined()
    expect(await textOf(running)).toBe(`${pid}\n`)
    expect((await run('echo next')).text).toBe('next\n')
  })

  test('and the agent too, the next agent finds it interrupted', async () => {
    const spec = bench.aSpec('echo $$; sleep 300')
    await killAgentAfterBegin(spec)
    kill(bench.keeperOf(spec))
    const resumption = await bench.client.resume(spec.id, spec.directory)
    expect(resumption.kind).toBe('interrupted')
    const again = await bench.client.resume(spec.id, spec.directory)
    if (again.kind !== 'interrupted') throw new Error('it was interrupted')
    expect(await again.running.ended).toMatchObject({ state: 'interrupted' })
  })
})

describe('when the machine is shut down in order, which tells every process to end', () => {
  test('the command is interrupted, and the next agent may run it again if it is idempotent', async () => {
    await using own = createRunnerBench()
    const spec = own.aSpec('echo $$; while :; do sleep 0.1; done')
    const running = await own.client.begin(spec)
    const pid = Number(await firstLine(running))
    const runner = own.keeperOf(spec)
    kill(runner, 'SIGTERM')
    await untilSignalTaken(runner)
    kill(pid, 'SIGTERM')
    expect(await running.ended).toMatchObject({
      state: 'interrupted',
      signal: 'SIGTERM',
      reason: { code: 'shutdown' },
    })
    await untilGone(runner)
    expect((await own.client.resume(spec.id, spec.directory)).kind).toBe('interrupted')
  })
})

describe('a runner', () => {
  test('ends when it is idle, and another one is started when it is needed', async () => {
    await using own = createRunnerBench()
    const spec = own.aSpec('true')
    {
      await using client = createRunnerClient(
        { stateDirectory: own.state, idleMs: 50 },
        realWorld(),
      )
      await (await client.begin(spec)).ended
    }
    await untilGone(own.keeperOf(spec))
    const again = await own.client.begin(own.aSpec('echo again'))
    expect(await textOf(again)).toBe('again\n')
  })

  test('is one for all, however many want one at once', async () => {
    await using own = createRunnerBench()
    const clients = Array.from({ length: 3 }, () =>
      createRunnerClient({ stateDirectory: own.state, idleMs: 300 }, realWorld()),
    )
    const specs = clients.map(() => own.aSpec('true'))
    await Promise.all(
      clients.map(
        async (client, index) => (await client.begin(specs[index] ?? own.aSpec(''))).ended,
      ),
    )
    expect(new Set(specs.map(own.keeperOf)).size).toBe(1)
    for (const client of clients) await client[Symbol.asyncDispose]()
  })

  test('finishes its commands when it is asked to end', async () => {
    const spec = bench.aSpec('sleep 0.3; echo finished')
    const running = await bench.client.begin(spec)
    kill(bench.keeperOf(spec), 'SIGTERM')
    expect(await running.ended).toMatchObject({ state: 'succeeded' })
    expect(await textOf(running)).toBe('finished\n')
    await untilGone(bench.keeperOf(spec))
  })
})

async function killAgentAfterBegin(spec: ReturnType<RunnerBench['aSpec']>): Promise<void> {
  const agent = spawn(process.execPath, [
    fileURLToPath(new URL('fixtures/begin-and-hang.ts', import.meta.url)),
    JSON.stringify(spec),
    bench.state,
  ])
  await once(agent.stdout, 'data')
  const ended = once(agent, 'exit')
  agent.kill('SIGKILL')
  await ended
}

async function sh(script: string): Promise<number | null> {
  const child: ChildProcess = spawn('/bin/sh', ['-c', script], { stdio: 'ignore' })
  await once(child, 'exit')
  return child.exitCode
}

async function untilEnded(spec: ReturnType<RunnerBench['aSpec']>): Promise<void> {
  const isThere = () => existsSync(join(spec.directory, 'end.json'))
  while (!isThere()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Signals are taken in their order, but between processes there is none. */
async function untilSignalTaken(pid: number): Promise<void> {
  const isPending = () =>
    /^S(hd|ig)Pnd:\t0*[1-9a-f]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  while (isPending()) await new Promise((resolve) => setTimeout(resolve, 10))
}

async function untilGone(pid: number): Promise<void> {
  while (readProcess(pid) !== undefined) await new Promise((resolve) => setTimeout(resolve, 10))
}

function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

function spoolBytes(directory: string): number {
  return readdirSync(directory)
    .filter((name) => name.startsWith('output-'))
    .map((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0)
}

function numbersIn(text: string): number[] {
  return text.match(/\d+/g)?.map(Number) ?? []
}
