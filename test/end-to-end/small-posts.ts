import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import type { OpenQueueUnderTest } from '../system/queue-under-test.ts'
import { startCluster, type TestCluster } from '../system/start-cluster.ts'

const target = { cluster: 'test', instance: 'worker-1' }

/** A queue service whose operator lets one POST carry 64 KiB, a quarter of what Zaqar takes by default. */
export const smallPostBytes = 65_536

/** Tests of a whole installation on such a queue service. */
export function describeSmallPosts(openQueue: OpenQueueUnderTest): void {
  test('output, contents and results go in pieces that fit, and what cannot fit ends and holds up nothing', async () => {
    await using cluster = await startCluster({ openQueue })
    const tooLarge = await post(cluster, {
      operation: { name: 'exec', argv: ['echo', 'x'.repeat(90_000)] },
    })
    const printing = await post(cluster, {
      operation: { name: 'exec', argv: ['seq', '300000'] },
    })
    const bytes = Buffer.from(Array.from({ length: 400_000 }, (_, index) => index % 251))
    const { sha256 } = (await cluster.api.storeContent(oneChunk(bytes))).value
    const path = join(cluster.directory, 'written')
    const writing = await post(cluster, {
      operation: { name: 'write', path },
      content: { sha256 },
    })
    const quick = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const argv = ['echo', 'y'.repeat(10_000)]
        return await post(cluster, { operation: { name: 'exec', argv } })
      }),
    )

    expect(await end(cluster, tooLarge)).toMatchObject({
      state: 'failed',
      result: { reason: { code: 'too-large' } },
    })
    for (const id of quick) {
      expect(await end(cluster, id)).toMatchObject({ state: 'succeeded', outputBytes: 10_001 })
    }
    expect(await end(cluster, writing)).toMatchObject({
      state: 'succeeded',
      result: { answer: { sha256 } },
    })
    expect((await readFile(path)).equals(bytes)).toBe(true)

    const hash = createHash('sha256')
    for await (const chunk of cluster.api.outputBytes(printing, 'stdout', { follow: true })) {
      hash.update(chunk)
    }
    const printed = await end(cluster, printing)
    expect(printed).toMatchObject({ state: 'succeeded', outputComplete: true })
    expect(printed.result?.streams.stdout).toMatchObject({
      size: 1_988_895,
      sha256: hash.digest('hex'),
    })
  }, 120_000)

  test('a content follows its command, though a command that was posted with it is too large', async () => {
    await using cluster = await startCluster({ openQueue })
    const bytes = randomBytes(100_000)
    const { sha256 } = (await cluster.api.storeContent(oneChunk(bytes))).value
    const write = (name: string) => ({
      operation: { name: 'write' as const, path: join(cluster.directory, name) },
      content: { sha256 },
    })
    const argv = ['echo', 'x'.repeat(90_000)]
    const tooLarge = { operation: { name: 'exec' as const, argv } }
    const ids = await Promise.all(
      [write('before'), tooLarge, write('after')].map(async (one) => await post(cluster, one)),
    )
    const states = await Promise.all(ids.map(async (id) => (await end(cluster, id)).state))
    expect(states).toEqual(['succeeded', 'failed', 'succeeded'])
    for (const name of ['before', 'after']) {
      expect((await readFile(join(cluster.directory, name))).equals(bytes)).toBe(true)
    }
  }, 120_000)

  test('standard input is fed in pieces that fit, from the first one on', async () => {
    await using cluster = await startCluster({ openQueue })
    const input = randomBytes(300_000)
    const words = ['run', '--socket', join(cluster.directory, 'controller.sock'), '--stdin']
    const main = fileURLToPath(new URL('../../controller/main.ts', import.meta.url))
    const fed = await execa(
      process.execPath,
      [main, ...words, 'test/worker-1', '--', 'sha256sum'],
      { input, reject: false },
    )
    expect(fed.stderr).toBe('')
    expect(fed.stdout).toBe(`${createHash('sha256').update(input).digest('hex')}  -`)
  }, 120_000)
}

async function post(
  { api }: TestCluster,
  command: Parameters<TestCluster['api']['postCommand']>[1],
): Promise<string> {
  const [posted] = (await api.postCommand(target, command)).value
  return posted?.id ?? ''
}

async function end({ api }: TestCluster, id: string) {
  for (;;) {
    const { value } = await api.getCommand(id, { wait: true })
    if (value.ended && value.outputComplete) return value
    if (value.ended && value.result?.outputBytes === 0) return value
  }
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes
}
