#!/usr/bin/env node
import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { Agent } from 'undici'
import { realWorld } from '../../protocol/real-world.ts'
import { createZaqarClient, type ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import { startZaqar } from './start-zaqar.ts'

// What a request costs Zaqar in processor time, for the table in docs/deploying-on-zaqar.md. Processor time, not the
// clock's: so the figures hold on a machine that has other work.

const workers = 1
const seconds = 4
const preparedPosts = 200

await using zaqar = await startZaqar({ keystone: false, websocket: false, workers })
const operator = createZaqarClient(
  {
    endpoint: zaqar.endpoint,
    clientId: randomUUID(),
    projectId: 'p1',
    auth: { kind: 'none' },
    // uwsgi closes after each answer without saying so.
    dispatcher: new Agent({ pipelining: 0 }),
  },
  realWorld(),
)
const queue = randomUUID()
const expires = new Date(Date.now() + 3_600_000)
const share = async (path: 'claims' | 'messages', method: 'POST' | 'DELETE') => {
  const url = await operator.shareQueue(queue, { paths: [path], methods: [method], expires })
  return { kind: 'signed', url } as const
}
const claimAuth = await share('claims', 'POST')
const postAuth = await share('messages', 'POST')
const deleteAuth = await share('messages', 'DELETE')
const body = { v: 1, sealed: 'x'.repeat(1500) }

await measure('an idle poll (an empty claim)', async (client) => {
  await client.claimMessages(queue, { auth: claimAuth })
})
await measure('a post of one message of 1.5 KB', async (client) => {
  await client.postMessages(queue, [{ body, ttlSeconds: 3600 }], { auth: postAuth })
})
await operator.purgeQueue(queue)
const ids: string[] = []
const twenty = Array.from({ length: 20 }, () => ({ body, ttlSeconds: 3600 }))
for (let post = 0; post < preparedPosts; post += 1) {
  ids.push(...(await operator.postMessages(queue, twenty)))
}
await measure(
  'a claim that finds 20',
  async (client) => {
    await client.claimMessages(queue, { auth: claimAuth, limit: 20, ttlSeconds: 60 })
  },
  preparedPosts - 1,
)
await measure(
  'an acknowledgement of 20',
  async (client) => {
    await client.deleteMessages(queue, ids.splice(0, 20), { auth: deleteAuth })
  },
  preparedPosts - 1,
)
await measure('minting one signed URL', async (client) => {
  await client.shareQueue(queue, { paths: ['claims'], methods: ['POST'], expires })
})
await operator.close()

/** Keeps Zaqar busy for a while, and says what one request took of the processors. */
async function measure(
  name: string,
  call: (client: ZaqarClient) => Promise<void>,
  limit = Number.POSITIVE_INFINITY,
): Promise<void> {
  await call(operator)
  const [before, begun] = [await processorMs(), performance.now()]
  let count = 0
  while (performance.now() - begun < seconds * 1000 && count < limit) {
    await call(operator)
    count += 1
  }
  const after = await processorMs()
  const each = (program: keyof typeof after) =>
    ((after[program] - before[program]) / count).toFixed(2)
  process.stdout.write(
    `${name}: ${each('uwsgi')} ms of Zaqar, ${each('redis')} ms of Redis (${count} requests)\n`,
  )
}

/** The processor time of the services so far, in milliseconds; they are found among our descendants. */
async function processorMs(): Promise<{ uwsgi: number; redis: number }> {
  const processes = new Map<number, { parent: number; name: string; ms: number }>()
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')
    const parts = /^\d+ \((.*)\) \S (.*)$/s.exec(stat)
    const fields = parts?.[2]?.split(' ').map(Number) ?? []
    // utime and stime, in ticks of 10 ms (proc_pid_stat(5)).
    const ms = 10 * ((fields[10] ?? 0) + (fields[11] ?? 0))
    processes.set(Number(entry), { parent: fields[0] ?? 0, name: parts?.[1] ?? '', ms })
  }
  const isOurs = (pid: number): boolean =>
    pid === process.pid || (pid > 1 && isOurs(processes.get(pid)?.parent ?? 0))
  const total = (pattern: RegExp) =>
    [...processes]
      .filter(([pid, { name }]) => pattern.test(name) && isOurs(pid))
      .reduce((sum, [, { ms }]) => sum + ms, 0)
  return { uwsgi: total(/^uwsgi/), redis: total(/^redis/) }
}
