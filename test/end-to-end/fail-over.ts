import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { OpenQueueUnderTest } from '../system/queue-under-test.ts'
import { startCluster } from '../system/start-cluster.ts'
import { startProgram } from '../system/start-program.ts'
import { waitFor } from '../system/wait-for.ts'
import { waitForEnd } from './wait-for-end.ts'

const lines = 20
/** Longer than a claim. */
const claimOverMs = 70_000
const script = (mark: string): string =>
  `echo once >> ${mark}; for i in $(seq ${lines}); do echo "line $i"; sleep 0.1; done`

/** Two controllers on one store and one queue service, of which the one that serves is killed. */
export function describeFailOver(openQueue: OpenQueueUnderTest): void {
  test('the second one takes over: each reply is handled once, and none is lost', async () => {
    await using cluster = await startCluster({
      openQueue,
      agent: { poll: { ceilingSeconds: 0.5 } },
    })
    const flags = [
      'serve',
      '--config',
      join(cluster.directory, 'controller.yaml'),
      '--json',
      '--standby',
    ]
    await using second = startProgram('controller/main.ts', flags, cluster.queue.environment)
    const marks = Array.from({ length: 5 }, (_, index) => join(cluster.directory, `mark-${index}`))
    const ids = await Promise.all(
      marks.map(async (mark) => {
        const target = { cluster: 'test', instance: 'worker-1' }
        const operation = { name: 'exec' as const, argv: ['sh', '-c', script(mark)] }
        const { value } = await cluster.api.postCommand(target, { operation })
        return value[0]?.id ?? ''
      }),
    )
    await readSome(cluster.api.outputBytes(ids[0] ?? '', 'stdout', { follow: true }))
    expect(second.recentOutput()).not.toContain('"listening"')
    await cluster.controller.stop('SIGKILL')
    await second.line((text) => text.includes('"listening"'))
    // What the first one had claimed comes back when its claim is over.
    await cluster.queue.shift(claimOverMs)

    const wanted = Array.from({ length: lines }, (_, index) => `line ${index + 1}\n`).join('')
    for (const [index, id] of ids.entries()) {
      expect(await waitForEnd(cluster, id)).toMatchObject({ state: 'succeeded' })
      await waitFor(
        'all output',
        async () => (await cluster.api.getCommand(id)).value.outputComplete,
      )
      expect(await readAll(cluster.api.outputBytes(id, 'stdout'))).toBe(wanted)
      expect(await readFile(marks[index] ?? '', 'utf8')).toBe('once\n')
    }
  })
}

async function readSome(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of bytes) return
}

async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of bytes) text += Buffer.from(chunk).toString()
  return text
}
