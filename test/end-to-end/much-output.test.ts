import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { peakMemoryBytes } from '../system/memory.ts'
import { startCluster } from '../system/start-cluster.ts'

const megabyte = 1024 ** 2
const lines = 12_500_000
/** `seq` counts 12,500,000 lines: some 100 MB. */
const expectedBytes = 101_388_897

test('100 MB of output arrive whole and in order, and neither agent nor controller grows with them', async () => {
  await using cluster = await startCluster()
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
  // Far below what 100 MB held anywhere as a whole would come to.
  expect(await peakMemoryBytes(cluster.agent.pid)).toBeLessThan(200 * megabyte)
  expect(await peakMemoryBytes(cluster.controller.pid)).toBeLessThan(250 * megabyte)
}, 180_000)
