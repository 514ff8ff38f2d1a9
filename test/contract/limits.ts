import { randomUUID } from 'node:crypto'
import { request } from 'undici'
import { describe, expect, test } from 'vitest'
import type { ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import {
  type Contract,
  type ContractServer,
  connect,
  expectCode,
  newQueue,
} from './contract-server.ts'

/** Zaqar's defaults, in bytes. */
const postLimitBytes = 262_144

/** What a service must refuse, and up to where it must not. */
export function describeLimits({ client, server }: Contract): void {
  describe('a limit', () => {
    test.for([
      ['21 messages in a claim', (q, c) => c.claimMessages(q, { limit: 21 })],
      ['no message in a claim', (q, c) => c.claimMessages(q, { limit: 0 })],
      ['a claim of 59 seconds', (q, c) => c.claimMessages(q, { ttlSeconds: 59 })],
      ['a claim of half a day and a second', (q, c) => c.claimMessages(q, { ttlSeconds: 43_201 })],
      ['a grace of 59 seconds', (q, c) => c.claimMessages(q, { graceSeconds: 59 })],
      ['a page of 21 messages', (q, c) => c.listMessagePage(q, { pageSize: 21 })],
      ['a page of 21 queues', (_, c) => c.listQueuePage({ pageSize: 21 })],
      ['21 messages to pop', (q, c) => c.popMessages(q, 21)],
      ['a life of 59 seconds', (q, c) => c.postMessages(q, [{ body: 1, ttlSeconds: 59 }])],
      [
        'a life of two weeks and a second',
        // As it is: the client would post it again with a shorter life.
        (q, c) =>
          c.postMessages(q, { json: '{"messages":[{"body":1,"ttl":1209601}]}', messages: [] }),
      ],
      [
        'a life of one and a half minutes',
        (q, c) => c.postMessages(q, [{ body: 1, ttlSeconds: 90.5 }]),
      ],
      [
        'a post of no messages',
        (q, c) => c.postMessages(q, { json: '{"messages":[]}', messages: [] }),
      ],
      [
        'a post that is no JSON',
        (q, c) => c.postMessages(q, { json: '{"messages":', messages: [] }),
      ],
      [
        'a post of a message without a body',
        (q, c) => c.postMessages(q, { json: '{"messages":[{}]}', messages: [] }),
      ],
    ] satisfies [string, (queue: string, client: ZaqarClient) => Promise<unknown>][])(
      'refuses %s',
      async ([, run]) => {
        await expectCode(run(newQueue(), client()), 'ERR_QUEUE_BAD_REQUEST')
      },
    )

    test('of a post is kept to the byte', async () => {
      const queue = newQueue()
      await using bold = connect(server(), { maxPostBytes: 2 * postLimitBytes })
      const frame = '{"messages":[{"body":""}]}'.length
      const body = 'x'.repeat(postLimitBytes - frame)
      expect(await bold.postMessages(queue, [{ body }])).toHaveLength(1)
      await expectCode(bold.postMessages(queue, [{ body: `${body}x` }]), 'ERR_MESSAGE_TOO_LARGE')
    })

    test('there is none to how many messages are in a post', async () => {
      const messages = Array.from({ length: 100 }, (_, body) => ({ body }))
      expect(await client().postMessages(newQueue(), messages)).toHaveLength(100)
    })
  })

  const ask = (path: string, change?: Record<string, string | undefined>) =>
    askAs(server(), path, change)

  describe('a request', () => {
    const queues = '/v2/queues'

    test('without a Client-ID is refused, and told what is missing', async () => {
      const { status, text } = await ask(queues, { 'Client-ID': undefined })
      expect(status).toBe(400)
      expect(JSON.parse(text)).toMatchObject({ title: 'Missing header value' })
    })

    test('with a Client-ID that is no UUID is refused', async () => {
      expect((await ask(queues, { 'Client-ID': 'me' })).status).toBe(400)
    })

    test('that accepts no JSON is refused', async () => {
      expect((await ask(queues, { Accept: 'image/png' })).status).toBe(406)
    })

    test('for a path that is none is not found', async () => {
      expect((await ask('/v2')).status).toBe(404)
      expect((await ask('/v2/nothing')).status).toBe(404)
    })

    test('for a queue whose name has other characters is refused', async () => {
      expect((await ask(`${queues}/a%20b`)).status).toBe(400)
    })

    test('with an empty signature opens nothing', async () => {
      const { status } = await ask(queues, { 'URL-Signature': '', 'X-Auth-Token': undefined })
      expect(status).toBe(404)
    })
  })
}

/** A request as an operator makes it, but for what is changed or, when `undefined`, left out. */
async function askAs(
  { auth, endpoint, projectId }: ContractServer,
  path: string,
  change: Record<string, string | undefined> = {},
): Promise<{ status: number; text: string }> {
  const wanted = {
    'Client-ID': randomUUID(),
    'X-Project-Id': projectId,
    'X-Auth-Token': auth.kind === 'token' ? await auth.getToken() : undefined,
    ...change,
  }
  const headers = Object.fromEntries(
    Object.entries(wanted).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
  const { statusCode, body } = await request(endpoint + path, { headers })
  return { status: statusCode, text: await body.text() }
}
