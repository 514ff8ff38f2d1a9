import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import {
  anotherClient,
  bodiesOf,
  locationOf,
  openTestQueue,
  type TestQueue,
} from '../../test/open-test-queue.ts'

const claims = '/v2/queues/q/claims'
const messages = '/v2/queues/q/messages'
const wait = (seconds: number) => ({ headers: { prefer: `wait=${seconds}` } })

/** Resolves when this many requests are held. */
async function untilHeld(queue: TestQueue, count: number): Promise<void> {
  await expect
    .poll(async () => (await queue.send('GET', '/v2/health')).body, { interval: 5 })
    .toMatchObject({ waiting_requests: count })
}

describe('a claim that waits', () => {
  test('is answered by a post to its queue, and by no other', async () => {
    await using queue = await openTestQueue()
    const waiting = queue.send('POST', claims, wait(30))
    await untilHeld(queue, 1)
    await queue.post('other', 'elsewhere')
    await queue.send('POST', messages, {
      body: { messages: [{ body: 'foreign' }] },
      headers: { 'x-project-id': 'p2' },
    })
    await queue.post('q', 'here')
    const reply = await waiting
    expect(bodiesOf(reply)).toEqual(['here'])
    expect(reply).toMatchObject({ status: 201, headers: { 'preference-applied': 'wait=30' } })
  })

  test('shares its flush with the post that wakes it', async () => {
    await using queue = await openTestQueue()
    await queue.send('PUT', '/v2/queues/q')
    const waiting = queue.send('POST', claims, wait(30))
    await untilHeld(queue, 1)
    const before = queue.service.commitCount()
    await queue.post('q', 1)
    await waiting
    expect(queue.service.commitCount() - before).toBe(1)
  })

  test('is answered at once when there is something already', async () => {
    await using queue = await openTestQueue()
    await queue.post('q', 1)
    const reply = await queue.send('POST', claims, wait(30))
    expect(reply.headers).toMatchObject({ 'preference-applied': 'wait=30' })
    expect(bodiesOf(reply)).toEqual([1])
  })

  test('is answered 204 when its time is over, and not before', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    let isAnswered = false
    const waiting = queue.send('POST', claims, wait(5)).finally(() => {
      isAnswered = true
    })
    await untilHeld(queue, 1)
    await world.advance(4999)
    expect(isAnswered).toBe(false)
    await world.advance(101)
    expect(await waiting).toMatchObject({
      status: 204,
      headers: { 'preference-applied': 'wait=5' },
    })
  })

  test('waits no longer than the service allows', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({ limits: { maxWaitSeconds: 2 } }, world)
    const waiting = queue.send('POST', claims, wait(3600))
    await untilHeld(queue, 1)
    await world.advance(2100)
    expect((await waiting).headers).toMatchObject({ 'preference-applied': 'wait=2' })
  })

  test('is answered at once, without a promise to wait, when too many wait', async () => {
    await using queue = await openTestQueue({ limits: { maxWaiting: 1 } })
    const first = queue.send('POST', claims, wait(30))
    await untilHeld(queue, 1)
    const second = await queue.send('POST', claims, wait(30))
    expect(second.status).toBe(204)
    expect(second.headers).not.toHaveProperty('preference-applied')
    await queue.post('q', 1)
    expect(bodiesOf(await first)).toEqual([1])
  })

  test('is answered before older ones, whose connections may have died; one message to one', async () => {
    await using queue = await openTestQueue()
    const replies: Array<ReturnType<TestQueue['send']>> = []
    for (let index = 1; index <= 5; index += 1) {
      replies.push(queue.send('POST', `${claims}?limit=1`, wait(30)))
      await untilHeld(queue, index)
    }
    await queue.post('q', 1, 2)
    const served = await Promise.all(replies.slice(-2))
    expect(served.map(bodiesOf)).toEqual([[2], [1]])
    await untilHeld(queue, 3)
    await queue.post('q', 3, 4, 5)
    const rest = await Promise.all(replies.slice(0, -2))
    expect(rest.map(bodiesOf)).toEqual([[5], [4], [3]])
  })

  test('is woken by the release of another claim', async () => {
    await using queue = await openTestQueue()
    await queue.post('q', 1)
    const holder = await queue.send('POST', claims)
    const waiting = queue.send('POST', claims, wait(30))
    await untilHeld(queue, 1)
    await queue.send('DELETE', locationOf(holder))
    expect(bodiesOf(await waiting)).toEqual([1])
  })

  test('is woken by the end of another claim, and by the end of a delay', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    await queue.send('PUT', '/v2/queues/q', { body: { _default_message_delay: 120 } })
    await queue.send('POST', messages, { body: { messages: [{ body: 'first', delay: 0 }] } })
    await queue.post('q', 'delayed')
    await queue.send('POST', claims, { body: { ttl: 60 } })
    const first = queue.send('POST', claims, wait(200))
    await untilHeld(queue, 1)
    await world.advance(60_100)
    expect(bodiesOf(await first)).toEqual(['first'])
    const second = queue.send('POST', claims, wait(200))
    await untilHeld(queue, 1)
    await world.advance(60_100)
    expect(bodiesOf(await second)).toEqual(['delayed'])
  })

  test('claims nothing when its client has gone away', async () => {
    await using queue = await openTestQueue()
    const gone = new AbortController()
    const waiting = queue.send('POST', claims, { ...wait(30), signal: gone.signal })
    await untilHeld(queue, 1)
    gone.abort()
    await expect(waiting).rejects.toThrow()
    await untilHeld(queue, 0)
    await queue.post('q', 1)
    expect(bodiesOf(await queue.send('POST', claims))).toEqual([1])
  })

  test('is answered with nothing at once when the service stops', async () => {
    const queue = await openTestQueue()
    const waiting = queue.send('POST', claims, wait(30))
    await untilHeld(queue, 1)
    await queue[Symbol.asyncDispose]()
    expect(await waiting).toMatchObject({ status: 204, headers: { connection: 'close' } })
  })
})

describe('a list that waits', () => {
  test('shows a message that comes, and leaves it to a claim that waits as well', async () => {
    await using queue = await openTestQueue()
    const claim = queue.send('POST', claims, wait(30))
    const list = queue.send('GET', `${messages}?echo=true`, wait(30))
    await untilHeld(queue, 2)
    await queue.post('q', 1)
    expect(bodiesOf(await list)).toEqual([1])
    expect(bodiesOf(await claim)).toEqual([1])
  })

  test('goes on waiting when the message is of its own client', async () => {
    await using queue = await openTestQueue()
    const list = queue.send('GET', messages, wait(30))
    await untilHeld(queue, 1)
    await queue.post('q', 'own')
    await untilHeld(queue, 1)
    const body = { messages: [{ body: 'foreign' }] }
    await queue.send('POST', messages, { body, headers: { 'client-id': anotherClient } })
    expect(bodiesOf(await list)).toEqual(['foreign'])
  })

  test('is an empty page when its time is over', async () => {
    const world = fakeWorld()
    await using queue = await openTestQueue({}, world)
    const list = queue.send('GET', messages, wait(1))
    await untilHeld(queue, 1)
    await world.advance(1100)
    expect(await list).toMatchObject({ status: 200, body: { messages: [], links: [] } })
  })
})
