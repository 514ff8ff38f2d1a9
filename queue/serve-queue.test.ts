import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fakeWorld } from '../test/fake-world.ts'
import { bodiesOf, messagesOf, openTestQueue } from '../test/open-test-queue.ts'
import { PortTakenError } from './errors.ts'
import { openQueueService } from './serve-queue.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sahara-queue-'))
})
afterEach(() => rm(directory, { recursive: true }))

describe('a queue service', { timeout: 30_000 }, () => {
  test('gives each message to exactly one of many claimers, in order', async () => {
    await using queue = await openTestQueue()
    const numbers = Array.from({ length: 400 }, (_, index) => index)
    const drain = async () => {
      const taken: unknown[] = []
      for (;;) {
        const headers = { prefer: 'wait=30' }
        const claim = await queue.send('POST', '/v2/queues/q/claims?limit=3', { headers })
        for (const { body, href = '' } of messagesOf(claim)) {
          expect((await queue.send('DELETE', href)).status).toBe(204)
          if (body === 'end') return taken
          taken.push(body)
        }
      }
    }
    const drains = Array.from({ length: 8 }, drain)
    while (numbers.length > 0) await queue.post('q', ...numbers.splice(0, 20))
    // Three for each: whoever takes three at once does not leave another one without its end.
    await queue.post('q', ...Array.from({ length: 24 }, () => 'end'))
    const taken = await Promise.all(drains)
    const sorted = taken.map((bodies) => bodies.toSorted((a, b) => Number(a) - Number(b)))
    expect(taken).toEqual(sorted)
    expect(taken.flat().toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 400 }, (_, index) => index),
    )
  })

  test('takes no more than it allows of what grows when it is written anew', async () => {
    await using queue = await openTestQueue()
    // Twenty such messages would be a reply that no client takes.
    const numbers = Array.from({ length: 52_000 }, () => '9e20').join()
    const text = `{"messages":[{"ttl":300,"body":[${numbers}]}]}`
    expect(text.length).toBeLessThan(262_144)
    expect((await queue.send('POST', '/v2/queues/q/messages', { text })).status).toBe(400)
  })

  test('has all it acknowledged when it is opened again', async () => {
    const database = join(directory, 'queue.db')
    let claimPath = ''
    {
      await using queue = await openTestQueue({ database })
      await queue.post('q', 1, 2, 3)
      const claim = await queue.send('POST', '/v2/queues/q/claims?limit=1')
      claimPath = String(claim.headers['location'])
    }
    await using queue = await openTestQueue({ database })
    expect(bodiesOf(await queue.send('GET', claimPath))).toEqual([1])
    expect(bodiesOf(await queue.send('POST', '/v2/queues/q/claims'))).toEqual([2, 3])
  })

  test('says 503 when its database is full, keeps nothing of that, and goes on when there is room', async () => {
    await using queue = await openTestQueue({ limits: { maxDatabaseBytes: 1_048_576 } })
    const body = 'x'.repeat(100_000)
    let taken = 0
    let reply = await queue.send('POST', '/v2/queues/q/messages', {
      body: { messages: [{ body }] },
    })
    while (reply.status === 201) {
      taken += 1
      reply = await queue.send('POST', '/v2/queues/q/messages', { body: { messages: [{ body }] } })
    }
    expect(reply).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      body: { title: 'Service temporarily unavailable' },
    })
    expect((await queue.send('GET', '/v2/queues/q/stats')).body).toMatchObject({
      messages: { free: taken },
    })
    await queue.send('DELETE', '/v2/queues/q/messages?pop=5')
    expect(
      (await queue.send('POST', '/v2/queues/q/messages', { body: { messages: [{ body }] } }))
        .status,
    ).toBe(201)
  })

  test('gives back the room of what has ended', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    await queue.post('q', 1, 2)
    await queue.post('gone', 3)
    await queue.send('DELETE', '/v2/queues/gone')
    await world.advance(3_600_000)
    await world.advance(20_000)
    const { DatabaseSync } = await import('node:sqlite')
    using db = new DatabaseSync(queue.database, { readOnly: true })
    for (const table of ['messages', 'bodies', 'retired_queues']) {
      expect(db.prepare(`SELECT count(*) AS count FROM ${table}`).get()).toEqual({ count: 0 })
    }
  })

  test('refuses a port that is taken, by name', async () => {
    await using queue = await openTestQueue()
    const port = Number(new URL(queue.service.url).port)
    const second = openQueueService({ port, database: join(directory, 'queue.db') }, fakeWorld())
    await expect(second).rejects.toThrow(PortTakenError)
    await expect(second).rejects.toThrow(String(port))
  })

  test.for(['0.0.0.0', '::', '192.0.2.1', 'example.org'])(
    'without a token refuses to listen on %s',
    async (host) => {
      const database = join(directory, 'queue.db')
      const opening = openQueueService({ host, port: 0, auth: 'none', database }, fakeWorld())
      await expect(opening).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' })
    },
  )

  test('without a token lets everybody in, but holds to the signature of whoever shows one', async () => {
    await using queue = await openTestQueue({ auth: 'none' })
    expect((await queue.send('GET', '/v2/queues')).status).toBe(200)
    const headers = { 'url-signature': ' ' }
    expect((await queue.send('GET', '/v2/queues/q/messages', { headers })).status).toBe(404)
  })

  test('names the option that does not fit', async () => {
    const database = join(directory, 'queue.db')
    const opening = openQueueService({ database, limits: { maxWaitSeconds: -1 } }, fakeWorld())
    await expect(opening).rejects.toThrow(/limits.maxWaitSeconds/)
  })
})
