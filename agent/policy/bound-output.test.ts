import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningCommand } from '../operations/operation.ts'
import {
  collect,
  createRunnerBench,
  type RunnerBench,
  textOf,
} from '../runner/fixtures/runner-bench.ts'
import { boundOutput } from './bound-output.ts'

let bench: RunnerBench
beforeAll(() => {
  bench = createRunnerBench()
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

async function begin(script: string): Promise<RunningCommand> {
  return boundOutput(await bench.client.begin(bench.aSpec(script)), 1000, 0)
}

describe('a command that the policy allows 1000 bytes of output', () => {
  test('is ended when it prints more, of which not a byte is given', async () => {
    const running = await begin('yes')
    expect(await textOf(running)).toBe('y\n'.repeat(500))
    const result = await running.ended
    expect(result).toMatchObject({
      state: 'failed',
      reason: { code: 'output-limit', message: expect.stringMatching(/1000 bytes .* was ended$/) },
      rule: 'limits.outputBytes',
      outputBytes: 1000,
    })
    const { size = 0, droppedBytes } = result.streams.stdout ?? {}
    expect(size).toBeGreaterThan(1000)
    expect(droppedBytes).toBe(size - 1000)
  })

  test('fails although it has ended by itself, and tells by stream what was left out', async () => {
    // The second stream only when the first was read: both together count.
    const running = await begin('printf %0600d 0; sleep 0.1; printf %0600d 0 >&2')
    const chunks = await collect(running)
    expect(chunks.map(({ offset, stream, bytes }) => [offset, stream, bytes.length])).toEqual([
      [0, 'stdout', 600],
      [600, 'stderr', 400],
    ])
    expect(await running.ended).toMatchObject({
      state: 'failed',
      exitCode: 0,
      reason: { code: 'output-limit', message: expect.stringMatching(/was not sent$/) },
      outputBytes: 1000,
      streams: {
        stdout: { size: 600, droppedBytes: 0 },
        stderr: { size: 600, droppedBytes: 200 },
      },
    })
  })

  test('succeeds when it prints just so much', async () => {
    const running = await begin('printf %01000d 0')
    expect(await textOf(running)).toHaveLength(1000)
    expect(await running.ended).toMatchObject({ state: 'succeeded', outputBytes: 1000 })
  })

  test('is bounded as well when the next agent takes it up again', async () => {
    const spec = bench.aSpec('printf %01200d 0')
    await (await bench.client.begin(spec)).ended
    const found = await bench.client.resume(spec.id, spec.directory)
    if (found.kind === 'never-begun') throw new Error('it was begun')
    const running = boundOutput(found.running, 1000, 0)
    expect((await collect(running, 700)).map(({ bytes }) => bytes.length)).toEqual([300])
    expect(await running.ended).toMatchObject({
      reason: { code: 'output-limit' },
      outputBytes: 1000,
      streams: { stdout: { size: 1200, droppedBytes: 200 } },
    })
  })

  test('that was timed out says that', async () => {
    const spec = bench.aSpec('printf %01200d 0; sleep 30', { timeoutMs: 500 })
    const running = boundOutput(await bench.client.begin(spec), 1000, 0)
    expect(await running.ended).toMatchObject({
      state: 'timed-out',
      reason: { code: 'timeout' },
      outputBytes: 1000,
    })
  })
})
