import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { readEnvelope, type SealedMessage } from '../../protocol/sealing/envelope.ts'
import type { GateAnswer, GateProxy, Passing } from '../system/gate-proxy.ts'
import { startCluster, type TestCluster } from '../system/start-cluster.ts'
import { waitFor } from '../system/wait-for.ts'
import { waitForEnd } from './wait-for-end.ts'

/** What the firewall lets pass; it tells nobody. */
const limitBytes = 20_000
const tooLarge: GateAnswer = { status: 413, contentType: 'text/html', body: '<h1>Too large</h1>' }

const Posted = z.looseObject({ messages: z.array(z.looseObject({ body: z.unknown() })) })

/** The messages in a POST of them. */
function messagesIn({ method, path, body }: Passing): SealedMessage[] {
  if (method !== 'POST' || !path.endsWith('/messages') || body === '') return []
  return Posted.parse(JSON.parse(body)).messages.map((message) => readEnvelope(message.body))
}

test('a firewall that says 413 without a limit, and to one result at any size, holds up nothing and makes no crumbs', async () => {
  await using cluster = await startCluster()
  const { agentGate, controllerGate } = cluster
  let badId: string | undefined
  let isRepaired = false
  const isBad = (passing: Passing): boolean => {
    const results = messagesIn(passing).filter(({ header }) => header['kind'] === 'result')
    badId ??= results[0]?.keyId
    return !isRepaired && results.some(({ keyId }) => keyId === badId)
  }
  controllerGate.setGate({ before: async (passing) => (isLarge(passing) ? tooLarge : 'pass') })
  agentGate.setGate({
    before: async (passing) => (isLarge(passing) || isBad(passing) ? tooLarge : 'pass'),
  })

  const refused = await post(cluster, ['true'])
  await waitFor('the first result to be refused', () => badId !== undefined)
  const printing = await post(cluster, ['seq', '30000'])
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251))
  const { sha256 } = (await cluster.api.storeContent(oneChunk(bytes))).value
  const path = join(cluster.directory, 'written')
  const write = { operation: { name: 'write' as const, path }, content: { sha256 } }
  const writing = (await cluster.api.postCommand(target, write)).value[0]?.id ?? ''

  const ends = [printing, writing].map(async (id) => await waitForEnd(cluster, id))
  expect(await Promise.all(ends)).toMatchObject([
    { state: 'succeeded', outputComplete: true, outputBytes: 168_894 },
    { state: 'succeeded' },
  ])
  expect((await readFile(path)).equals(bytes)).toBe(true)
  // 169 KB of output, 100 KB of content: some 40 and 20, the refused ones among them. In crumbs of 256 bytes it was 660 and more.
  expect(countPosts(agentGate, 'output')).toBeLessThan(200)
  expect(countPosts(controllerGate, 'sahara-input')).toBeLessThan(200)

  isRepaired = true
  expect(badId).toBe(refused)
  expect(await waitForEnd(cluster, refused)).toMatchObject({ state: 'succeeded' })
}, 120_000)

const target = { cluster: 'test', instance: 'worker-1' }

async function post({ api }: TestCluster, argv: string[]): Promise<string> {
  const operation = { name: 'exec' as const, argv }
  return (await api.postCommand(target, { operation })).value[0]?.id ?? ''
}

function isLarge(passing: Passing): boolean {
  return messagesIn(passing).length > 0 && passing.body.length > limitBytes
}

/** POSTs, taken and refused, that carried a type of message, or a kind of reply. */
function countPosts({ passed }: GateProxy, kind: string): number {
  const isOne = (message: SealedMessage) => message.type === kind || message.header['kind'] === kind
  return passed.filter((passing) => messagesIn(passing).some(isOne)).length
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes
}
