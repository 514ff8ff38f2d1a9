import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { createRunnerBench, firstLine, kill, type RunnerBench } from './fixtures/runner-bench.ts'

let failures = 0
vi.mock(import('./interrupted-command.ts'), async (original) => {
  const real = await original()
  return {
    ...real,
    endLeftovers: async (...words: Parameters<typeof real.endLeftovers>) => {
      failures -= 1
      if (failures >= 0) throw new Error('EMFILE: too many open files, scandir /proc')
      return await real.endLeftovers(...words)
    },
  }
})

let bench: RunnerBench
beforeAll(() => {
  bench = createRunnerBench()
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})
beforeEach(() => {
  failures = 1
})

test('a command whose runner is gone is found, though the first look failed', async () => {
  const spec = bench.aSpec('echo x; sleep 300')
  const running = await bench.client.begin(spec)
  await firstLine(running)
  kill(bench.keeperOf(spec))
  expect(await running.ended).toMatchObject({ state: 'interrupted', outputBytes: 2 })
})

test('so it is by the next agent, with its output', async () => {
  const spec = bench.aSpec('echo x; sleep 300')
  await firstLine(await bench.client.begin(spec))
  await bench.client[Symbol.asyncDispose]()
  kill(bench.keeperOf(spec))
  const next = bench.nextClient()
  const found = await next.resume(spec.id, spec.directory)
  if (found.kind !== 'interrupted') throw new Error('it was interrupted')
  expect(await found.running.ended).toMatchObject({ state: 'interrupted', outputBytes: 2 })
  await next[Symbol.asyncDispose]()
})
