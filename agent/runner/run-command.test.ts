import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { realWorld } from '../../protocol/real-world.ts'
import { createRunnerBench, kill, type RunnerBench } from './fixtures/runner-bench.ts'
import { createOutputView } from './output-view.ts'
import { createPipePool } from './pipe-pool.ts'
import { readProcess } from './process-table.ts'
import { runCommand } from './run-command.ts'

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

async function run(script: string, timeoutMs: number) {
  const spec = bench.aSpec(script, { timeoutMs, graceMs: 100 })
  const pipes = await createPipePool(join(bench.state, 'pipes'))
  const view = createOutputView(spec.directory)
  const parts = { world: realWorld(), pipes, groupHome: undefined, leaveGroup: () => {} }
  const result = await runCommand(spec, parts, view.grow).ended
  view.end(result)
  const chunks = await Array.fromAsync(view.output(0, new AbortController().signal))
  const text = Buffer.concat(chunks.map((chunk) => chunk.bytes)).toString()
  return { result, pids: text.match(/\d+/g)?.map(Number) ?? [] }
}
