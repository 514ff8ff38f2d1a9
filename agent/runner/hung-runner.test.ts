import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { realWorld } from '../../protocol/real-world.ts'
import { markBegun } from './command-record.ts'
import { mountDead } from './fixtures/mount-dead.ts'
import { createRunnerBench, firstLine, kill, textOf } from './fixtures/runner-bench.ts'
import { endHungRunner } from './hung-runner.ts'
import { listProcesses, readProcess } from './process-table.ts'
import { createRunnerClient } from './runner-client.ts'

const lookMs = 10_000

/** The pauses between two looks at the runner end when the test says so; all others are real. */
function aWorldOfLooks() {
  const real = realWorld()
  let nextLook = Promise.withResolvers<void>()
  let asleep = Promise.withResolvers<void>()
  const sleep = async (ms: number, signal?: AbortSignal) => {
    if (ms !== lookMs) return await real.sleep(ms, signal)
    asleep.resolve()
    const aborted = Promise.withResolvers<void>()
    signal?.addEventListener('abort', () => aborted.reject(new Error('aborted')), { once: true })
    await Promise.race([nextLook.promise, aborted.promise])
  }
  const look = async () => {
    await asleep.promise
    asleep = Promise.withResolvers()
    const passed = nextLook
    nextLook = Promise.withResolvers()
    passed.resolve()
  }
  return { world: { ...real, sleep }, look }
}

function aClient() {
  const bench = createRunnerBench()
  const { world, look } = aWorldOfLooks()
  const client = createRunnerClient({ stateDirectory: bench.state, idleMs: 300 }, world)
  const end = async () => {
    await client[Symbol.asyncDispose]()
    await bench[Symbol.asyncDispose]()
  }
  /** How many looks it takes depends on what it said just before it was stopped. */
  const lookWhileThere = async (runner: number) => {
    while (readProcess(runner)) await look()
  }
  return { ...bench, client, look, lookWhileThere, [Symbol.asyncDispose]: end }
}

async function stop(runner: number): Promise<void> {
  kill(runner, 'SIGSTOP')
  while (readProcess(runner)?.state !== 'T') await realWorld().sleep(10)
}

describe('a runner that hangs', () => {
  test('is killed after three minutes; its command is interrupted, and the next one runs', async () => {
    await using at = aClient()
    const spec = at.aSpec('echo $$; sleep 300')
    const running = await at.client.begin(spec)
    const pid = Number(await firstLine(running))
    const runner = at.keeperOf(spec)
    await stop(runner)
    const waiting = at.client.begin(at.aSpec('echo next'))
    for (let looks = 0; looks < 17; looks += 1) await at.look()
    expect(readProcess(runner)?.state).toBe('T')
    await at.lookWhileThere(runner)
    expect(await running.ended).toMatchObject({
      state: 'interrupted',
      reason: { code: 'runner-gone' },
    })
    expect(readProcess(runner)).toBeUndefined()
    expect(readProcess(pid)).toBeUndefined()
    expect(await textOf(await waiting)).toBe('next\n')
    const log = readFileSync(join(at.state, 'runner.log'), 'utf8')
    expect(log).toContain(`runner ${runner} has answered nothing for minutes, and is killed`)
  })

  test('begins nothing later: what it was asked before it was killed runs once', async () => {
    await using at = aClient()
    const first = at.aSpec('echo there; sleep 300')
    await firstLine(await at.client.begin(first))
    await stop(at.keeperOf(first))
    const spec = at.aSpec('echo once >> count; cat count', { cwd: at.state })
    const begun = at.client.begin(spec)
    await at.lookWhileThere(at.keeperOf(first))
    expect(await textOf(await begun)).toBe('once\n')
    expect(await (await begun).ended).toMatchObject({ state: 'succeeded' })
  })
})

test.for([
  ['a file system keeps waiting', 'exec stat "$0"'],
  ['waits for a child that a file system keeps', 'stat "$0"; exit $?'],
])('a runner that %s is not killed', async ([, script = ''], { skip }) => {
  await using bench = createRunnerBench()
  const mount = join(bench.state, 'dead')
  let ended: Promise<unknown> | undefined
  {
    using dead = mountDead(mount)
    if (!dead) skip('no FUSE file system can be mounted here')
    const stuck = spawn('sh', ['-c', script, join(mount, 'file')], { stdio: 'ignore' })
    ended = once(stuck, 'exit')
    const pid = stuck.pid ?? 0
    const kept = () =>
      listProcesses().filter((one) => (one.pid === pid || one.parent === pid) && one.state === 'D')
    while (kept().length === 0) await realWorld().sleep(10)
    const { startTicks } = readProcess(pid) ?? {}
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    writeFileSync(join(bench.state, 'runner.pid'), JSON.stringify({ pid, startTicks, bootId }))
    await endHungRunner(bench.state, realWorld())
    expect(readFileSync(join(bench.state, 'runner.log'), 'utf8')).toContain(
      `runner ${pid} has answered nothing for minutes, and waits for a file system`,
    )
    expect(readProcess(pid)).toBeDefined()
    expect(kept().length).toBe(1)
  }
  // It was not even told to end: it goes on when the file system answers.
  expect(await ended).toEqual([1, null])
})

test('a runner that never gets ready is given up', async ({ skip }) => {
  await using at = aClient()
  // The first thing that it looks at.
  using dead = mountDead(join(at.state, 'compile-cache'))
  if (!dead) skip('no FUSE file system can be mounted here')
  const spec = at.aSpec('true')
  const failed = expect(at.client.begin(spec)).rejects.toMatchObject({
    code: 'ERR_RUNNER_UNREACHABLE',
  })
  for (let looks = 0; looks < 18; looks += 1) await at.look()
  await failed
  // So that no runner can begin it later.
  expect(markBegun(spec.directory, new Date())).toBe(false)
})

test('a runner that answers is left alone, however long its command is silent', async () => {
  await using at = aClient()
  const spec = at.aSpec('echo there; sleep 300')
  const running = await at.client.begin(spec)
  await firstLine(running)
  for (let looks = 0; looks < 40; looks += 1) {
    await at.look()
    // Its answer comes behind that to the ping.
    await running.feedStdin(0, new Uint8Array(), false)
  }
  expect(readProcess(at.keeperOf(spec))).toBeDefined()
  await running.cancel(0)
  expect(await running.ended).toMatchObject({ state: 'cancelled' })
})
