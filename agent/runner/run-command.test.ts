import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { realWorld } from '../../protocol/real-world.ts'
import type { CommandSpec } from './command-spec.ts'
import { type ControlGroup, findControlGroupHome, makeControlGroup } from './control-group.ts'
import { createRunnerBench, kill, type RunnerBench } from './fixtures/runner-bench.ts'
import { standardPath } from './launch-program.ts'
import { createOutputView } from './output-view.ts'
import { createPipePool } from './pipe-pool.ts'
import { readProcess } from './process-table.ts'
import { runCommand } from './run-command.ts'
import { createPathProbe, type PathProbe } from './unresponsive-path.ts'

const pathProbe = createPathProbe(realWorld())

let bench: RunnerBench
beforeEach(() => {
  bench = createRunnerBench()
})
afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

describe('where no cgroup may be made, a command', () => {
  test('is still ended with those who left its session, lost their parents or wiped their environment', async () => {
    const { result, pids } = await run(
      [
        'setsid sleep 300 & echo $!',
        "(setsid sh -c 'sleep 301 & echo $!; wait' &)",
        'env -i sleep 302 & echo $!',
        'sleep 303',
      ].join('; '),
      400,
    )
    expect(result).toMatchObject({ state: 'timed-out', survivors: [] })
    expect(pids).toHaveLength(3)
    expect(pids.filter((pid) => readProcess(pid) !== undefined)).toEqual([])
  })

  test('still names what it left in the background', async () => {
    const { result, pids } = await run('setsid sleep 300 > /dev/null 2>&1 & echo $!', 60_000)
    expect(result.survivors.map(({ pid }) => pid)).toEqual(pids)
    for (const pid of pids) kill(pid)
  })
})

test('a command whose output is found to be lost only after its end has failed, and says why', async () => {
  const spec = bench.aSpec('echo lost', { keep: { headBytes: 0, tailBytes: 100 } })
  const pipes = await createPipePool(join(bench.state, 'pipes'))
  const parts = { world: realWorld(), pipes, probe: pathProbe, groupHome: undefined, leaveGroup }
  // Of this command all is written at its end: into a directory that is gone.
  const directory = join(spec.directory, 'gone')
  const { ended } = runCommand({ ...spec, directory }, parts, () => {})
  expect(await ended).toMatchObject({
    state: 'failed',
    exitCode: 0,
    reason: { code: 'spool-failed' },
    outputBytes: 0,
    streams: { stdout: { size: 5, droppedBytes: 5 } },
  })
})

test('output that is there when a machine lets the runner go on is read, however late that is', async () => {
  const real = realWorld()
  let blocked = false
  const sleep: typeof real.sleep = async (ms, signal) => {
    const slept = real.sleep(ms, signal)
    if (ms <= 500 && !blocked) {
      blocked = true
      // Nothing of ours runs while the program prints, and until all of the time for it is over.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
    }
    await slept
  }
  const spec = bench.aSpec('(sleep 0.2; echo late) &')
  const pipes = await createPipePool(join(bench.state, 'pipes'))
  const world = { ...real, sleep }
  const parts = { world, pipes, probe: pathProbe, groupHome: undefined, leaveGroup }
  const { ended } = runCommand(spec, parts, () => {})
  expect(await ended).toMatchObject({ state: 'succeeded', streams: { stdout: { size: 5 } } })
  expect(blocked).toBe(true)
})

const home = findControlGroupHome()
const probe = makeControlGroup(home, `probe-${process.pid}`)
probe?.remove()

describe.runIf(probe)('where a cgroup may be made, a command', () => {
  test('is ended with those who wiped their environment, and with those who are just being started', async () => {
    // Bounded, in case it is not ended.
    const fork = 'for i in $(seq 3000); do sleep 0.01 & done; sleep 304'
    const restart = `(setsid env -i sh -c '${fork}' &)`
    const { result, group } = await run(`${restart}; sleep 303`, 400, home)
    expect(result).toMatchObject({ state: 'timed-out', survivors: [] })
    expect(existsSync(group)).toBe(false)
  })

  test('has its use of the processor told', async () => {
    const { result } = await run(':', 60_000, home)
    expect(result).toMatchObject({ state: 'succeeded', resources: {} })
    expect(result.resources?.userCpuMs).toBeGreaterThanOrEqual(0)
  })

  test('leaves a background process in it, which is named', async () => {
    const { result, pids, group } = await run(
      'setsid sleep 300 > /dev/null 2>&1 & echo $!',
      60_000,
      home,
    )
    expect(result.survivors.map(({ pid }) => pid)).toEqual(pids)
    expect(existsSync(group)).toBe(true)
    const left = leftGroups.splice(0)
    for (const each of left) each.kill()
    for (const pid of pids) kill(pid)
    await vi.waitUntil(() => left.every((each) => each.remove()), { timeout: 10_000 })
  })
})

const leftGroups: ControlGroup[] = []
const leaveGroup = (group: ControlGroup) => leftGroups.push(group)

async function run(script: string, timeoutMs: number, groupHome?: string) {
  const spec = bench.aSpec(script, { timeoutMs, graceMs: 100 })
  const pipes = await createPipePool(join(bench.state, 'pipes'))
  const view = createOutputView(spec.directory)
  const parts = { world: realWorld(), pipes, probe: pathProbe, groupHome, leaveGroup }
  const result = await runCommand(spec, parts, view.grow).ended
  view.end(result)
  const chunks = await Array.fromAsync(view.output(0, new AbortController().signal))
  const text = Buffer.concat(chunks.map((chunk) => chunk.bytes)).toString()
  const group = join(groupHome ?? '', `sahara-command-${spec.id}`)
  return { result, group, pids: text.match(/\d+/g)?.map(Number) ?? [] }
}

describe('a command that a file server that does not answer would keep waiting', () => {
  test.for([
    ['for its directory', { cwd: '/mnt/dead' }, '/mnt/dead'],
    ['for a program from its directory', { cwd: '/srv', run: argv('./x') }, '/srv/x'],
    ['for a bare name, of which it says no PATH', { run: argv('x') }, '/usr/local/sbin/x'],
    [
      'for a bare name along its own PATH',
      { cwd: '/srv', env: { PATH: '/bin:rel' }, run: argv('x') },
      '/srv/rel/x',
    ],
    ['for its terminal', { pty: true }, '/usr/local/bin/script'],
  ] as const)('%s fails, and keeps nobody waiting', async ([, changes, dead]) => {
    await isNotWaitedFor(changes, dead)
  })

  test.runIf(process.geteuid?.() === 0)('for what makes it another user fails too', async () => {
    await isNotWaitedFor({ user: 'nobody' }, '/usr/local/bin/setpriv')
  })

  test('is one that looks there, and no other', async () => {
    const spec = bench.aSpec('', { cwd: '/', run: argv('true') })
    const { asked, result } = await runWithDead(spec, '/none')
    expect(asked).toEqual(['/', ...standardPath.split(':').map((folder) => `${folder}/true`)])
    expect(result).toMatchObject({ state: 'succeeded' })
  })
})

function argv(...words: string[]) {
  return { kind: 'argv' as const, argv: words }
}

async function isNotWaitedFor(changes: Partial<CommandSpec>, dead: string): Promise<void> {
  const { result } = await runWithDead(bench.aSpec('true', changes), dead)
  expect(result).toMatchObject({
    state: 'failed',
    reason: { code: 'path-unresponsive', message: expect.stringContaining(`"${dead}"`) },
  })
}

async function runWithDead(spec: CommandSpec, dead: string) {
  const pipes = await createPipePool(join(bench.state, 'pipes'))
  const asked: string[] = []
  const dying: PathProbe = {
    findUnresponsive: async (listPaths) => {
      asked.push(...(await listPaths()))
      return asked.find((path) => path === dead)
    },
  }
  const parts = { world: realWorld(), pipes, probe: dying, groupHome: undefined, leaveGroup }
  return { asked, result: await runCommand(spec, parts, () => undefined).ended }
}
