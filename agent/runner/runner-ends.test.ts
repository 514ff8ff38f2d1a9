import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { agentVersion } from '../agent-version.ts'
import { mountDead } from './fixtures/mount-dead.ts'
import { createRunnerBench, type RunnerBench } from './fixtures/runner-bench.ts'

/**
 * A runner that is a child of the test, so that the kernel tells of its end. Without commands and agents it stays for 50 ms.
 */
async function aRunner({ state }: RunnerBench) {
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const words = [
    '--no-warnings',
    main,
    '--state',
    state,
    '--agent',
    agentVersion,
    '--idle-ms',
    '50',
  ]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  return {
    tellToEnd: () => child.kill('SIGTERM'),
    /** Exit code and signal. */
    ended,
    [Symbol.dispose]: () => child.kill('SIGKILL'),
  }
}

/** All the ways not to begin. */
const neverBegun = {
  'a program that is not there': { run: { kind: 'argv', argv: ['no-such-thing'] } },
  'a program that may not be executed': { run: { kind: 'argv', argv: ['/etc/passwd'] } },
  'no such directory': { cwd: '/no/such/place' },
  'no such user': { user: 'nobody-of-that-name' },
  'a NUL byte in a word': { run: { kind: 'argv', argv: ['echo', 'a\0b'] } },
  'input that is not there': { stdin: { kind: 'file', path: '/no/such/file' } },
} satisfies Record<string, Parameters<RunnerBench['aSpec']>[1]>

/** All of them have hours left: a timer that stays behind would be noticed. */
const longLimits = { timeoutMs: 7_200_000, deadlineMs: 7_200_000, silenceMs: 7_200_000 }

describe('a runner', () => {
  test.for(Object.entries(neverBegun))(
    'ends when it is idle after a command that could not begin: %s',
    async ([, over]) => {
      await using bench = createRunnerBench()
      using runner = await aRunner(bench)
      const running = await bench.client.begin(bench.aSpec('true', { ...longLimits, ...over }))
      expect(await running.ended).toMatchObject({ state: 'failed' })
      await bench.client[Symbol.asyncDispose]()
      // By itself: a signal would be the last resort of one that something keeps.
      expect(await runner.ended).toEqual([0, null])
    },
  )

  test.for([
    ['ended by itself', 'exit 3', {}],
    ['left somebody behind, who holds its output', 'sleep 30 & echo $!', {}],
    ['was not fed to its end', 'true', { stdin: { kind: 'open' } }],
    ['had a terminal', 'echo hi', { pty: true }],
    ['was timed out', 'sleep 30', { timeoutMs: 100 }],
  ] as const)('ends when it is told to after a command that %s', async ([, script, over]) => {
    await using bench = createRunnerBench()
    using runner = await aRunner(bench)
    const result = await (await bench.client.begin(bench.aSpec(script, { ...longLimits, ...over })))
      .ended
    for (const { pid } of result.survivors) process.kill(pid, 'SIGKILL')
    runner.tellToEnd()
    expect(await runner.ended).toEqual([0, null])
  })

  test('ends although a file system that does not answer keeps one of its threads', async ({
    skip,
  }) => {
    await using bench = createRunnerBench()
    const mount = join(bench.state, 'dead')
    using dead = mountDead(mount)
    if (!dead) skip('no FUSE file system can be mounted here')
    using runner = await aRunner(bench)
    const stuck = await bench.client.begin(bench.aSpec('true', { ...longLimits, cwd: mount }))
    expect(await stuck.ended).toMatchObject({ reason: { code: 'path-unresponsive' } })
    runner.tellToEnd()
    expect(await runner.ended).toEqual([null, 'SIGKILL'])
  })
})
