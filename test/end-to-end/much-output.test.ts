import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { peakMemoryBytes } from '../system/memory.ts'
import { startCluster, type TestCluster } from '../system/start-cluster.ts'

const lines = 12_500_000
/** `seq` counts 12,500,000 lines. */
const expectedBytes = 101_388_897

test('100 MB of output arrive whole and in order, and what comes after them needs no more memory', async () => {
  await using cluster = await startCluster()
  await readMuchOutput(cluster)
  const first = await peaks(cluster)
  await readMuchOutput(cluster)
  const second = await peaks(cluster)
  // What held the output would have grown by 100 MB.
  expect(second.agent - first.agent).toBeLessThan(expectedBytes / 2)
  expect(second.controller - first.controller).toBeLessThan(expectedBytes / 2)
}, 240_000)

async function readMuchOutput(cluster: TestCluster): Promise<void> {
  const target = { cluster: 'test', instance: 'worker-1' }
  const argv = ['seq', String(lines)]
  const [command] = (await cluster.api.postCommand(target, { operation: { name: 'exec', argv } }))
    .value
  const id = command?.id ?? ''
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of cluster.api.outputBytes(id, 'stdout', { follow: true })) {
    hash.update(chunk)
    bytes += chunk.length
  }
  const { value: record } = await cluster.api.getCommand(id, { wait: true })
  expect(record).toMatchObject({
    state: 'succeeded',
    outputComplete: true,
    outputBytes: expectedBytes,
  })
  expect(bytes).toBe(expectedBytes)
  expect(record.result?.streams.stdout?.sha256).toBe(hash.digest('hex'))
}

async function peaks({
  agent,
  controller,
}: TestCluster): Promise<Record<'agent' | 'controller', number>> {
  return {
    agent: await peakMemoryBytes(agent.pid),
    controller: await peakMemoryBytes(controller.pid),
  }
}
