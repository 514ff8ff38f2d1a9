import { Agent, request } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type FakeWorld, fakeWorld } from '../../test/fake-world.ts'
import { signedUrlHeaders } from '../../test/gateway/signed-url-headers.ts'
import { aClient, openTestQueue, type TestQueue } from '../../test/open-test-queue.ts'
import { startServer } from '../../test/programmable-server.ts'
import { type GateProxy, startGateProxy } from '../../test/system/gate-proxy.ts'
import { type Gateway, openGateway } from './open-gateway.ts'

/** A queue service that does not wait, as the gateway hands no `Prefer` on: in this a stock Zaqar. */
let queue: TestQueue
let between: GateProxy
let world: FakeWorld
let gateway: Gateway
let agents: Agent
/** Requests that the queue service has answered, in tests that set no gate of their own. */
let answered: number

beforeEach(async () => {
  queue = await openTestQueue()
  between = await startGateProxy(queue.service.url)
  answered = 0
  between.setGate({
    after: async () => {
      answered += 1
      return 'pass'
    },
  })
  world = fakeWorld()
  gateway = await openGateway({ upstream: between.url, port: 0, notifyPort: 0 }, world)
  agents = new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0 })
})
afterEach(async () => {
  await agents.destroy()
  await gateway[Symbol.asyncDispose]()
  await between[Symbol.asyncDispose]()
  await queue[Symbol.asyncDispose]()
})

const Health = z.object({ waiting_requests: z.number() })

async function countHeld(): Promise<number> {
  return Health.parse(await (await request(gateway.notifyUrl)).body.json()).waiting_requests
}

async function untilHeld(count: number): Promise<void> {
  await expect.poll(countHeld, { interval: 5, timeout: 4000 }).toBe(count)
}

/** Resolves when the queue service has answered so many requests: those that are held by then have looked in vain. */
async function untilAnswered(count: number): Promise<void> {
  await expect.poll(() => answered, { interval: 5, timeout: 4000 }).toBe(count)
}

/** Claims that have gone through to the queue service. */
function looks(): number {
  return between.passed.filter(({ method, path }) => method === 'POST' && /claims/.test(path))
    .length
}

/** Claims through the gateway, with a signed URL. */
async function claim(
  name: string,
  { wait = 30, headers = {}, signal }: ClaimOptions = {},
): Promise<{ status: number; bodies: unknown[]; headers: Record<string, unknown> }> {
  const signed = await signedUrlHeaders(queue, name, 'claims', 'POST', 'DELETE')
  const reply = await request(`${gateway.url}/v2/queues/${name}/claims`, {
    method: 'POST',
    headers: { ...signed, 'client-id': aClient, prefer: `wait=${wait}`, ...headers },
    body: JSON.stringify({ ttl: 60, grace: 60 }),
    dispatcher: agents,
    ...(signal ? { signal } : {}),
  })
  const text = await reply.body.text()
  const { messages } = Claimed.parse(text === '' ? {} : JSON.parse(text))
  return {
    status: reply.statusCode,
    bodies: messages.map(({ body }) => body),
    headers: reply.headers,
  }
}

interface ClaimOptions {
  wait?: number
  headers?: Record<string, string>
  signal?: AbortSignal
}

const Claimed = z.looseObject({
  messages: z.array(z.looseObject({ body: z.unknown() })).default([]),
})

/** What Zaqar posts for each message. */
async function notify(name: string): Promise<number> {
  const body = { ttl: 60, body: {}, Message_Type: 'Notification', queue_name: name }
  const reply = await request(gateway.notifyUrl, { method: 'POST', body: JSON.stringify(body) })
  await reply.body.dump()
  return reply.statusCode
}

/** Moves the gateway's clock in steps until so many claims have gone through. */
async function advanceUntilLooks(count: number): Promise<void> {
  await expect
    .poll(
      async () => {
        await world.advance(10)
        return looks()
      },
      { interval: 5, timeout: 4000 },
    )
    .toBe(count)
}

describe('a claim through the gateway', () => {
  test('is answered at once when there is something', async () => {
    await queue.post('q', 1)
    expect(await claim('q')).toMatchObject({
      status: 201,
      bodies: [1],
      headers: { 'preference-applied': 'wait=30' },
    })
  })

  test('is held until its queue is announced, and asks for nothing meanwhile', async () => {
    const waiting = claim('q')
    await untilAnswered(1)
    await queue.post('q', 'here')
    expect(await notify('other')).toBe(204)
    await world.advance(1000)
    expect(looks()).toBe(1)
    expect(await notify('q')).toBe(204)
    await world.advance(10)
    expect(await waiting).toMatchObject({
      status: 201,
      bodies: ['here'],
      headers: { 'preference-applied': 'wait=30' },
    })
    expect(looks()).toBe(2)
  })

  test('looks again when the message was announced just before it was stored', async () => {
    const waiting = claim('q')
    await untilHeld(1)
    await notify('q')
    await advanceUntilLooks(3)
    await queue.post('q', 'late')
    await advanceUntilLooks(4)
    expect((await waiting).bodies).toEqual(['late'])
  })

  test('looks before older ones of its queue, whose connections may have died', async () => {
    const older = claim('q', { wait: 60 })
    await untilAnswered(1)
    // Another signed URL, so that it looks at once.
    const newer = claim('q', { headers: await signedUrlHeaders(queue, 'q', 'claims', 'POST') })
    await untilAnswered(2)
    await queue.post('q', 'here')
    await notify('q')
    await advanceUntilLooks(3)
    expect((await newer).bodies).toEqual(['here'])
    // It does look, only later.
    await queue.post('q', 'one more')
    await advanceUntilLooks(4)
    expect((await older).bodies).toEqual(['one more'])
  })

  test('is not lost when it is announced while the first look is on its way', async () => {
    const looked = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    between.setGate({
      after: async () => {
        looked.resolve()
        await go.promise
        return 'pass'
      },
    })
    const waiting = claim('q')
    await looked.promise
    await queue.post('q', 1)
    await notify('q')
    go.resolve()
    await advanceUntilLooks(2)
    expect((await waiting).bodies).toEqual([1])
  })

  test('costs one slow poll when the announcement is lost', async () => {
    const waiting = claim('q', { wait: 120 })
    await untilHeld(1)
    await queue.post('q', 'unannounced')
    await world.advance(44_000)
    expect(looks()).toBe(1)
    await world.advance(17_000)
    expect((await waiting).bodies).toEqual(['unannounced'])
  })

  test('is answered 204 at the end of its wait, and the next one is held without asking', async () => {
    for (const expected of [1, 1]) {
      const waiting = claim('q', { wait: 20 })
      await untilHeld(1)
      await world.advance(20_100)
      expect(await waiting).toMatchObject({
        status: 204,
        headers: { 'preference-applied': 'wait=20' },
      })
      expect(looks()).toBe(expected)
    }
  })

  test('finds what an earlier claimer has lost when that claim ends, unannounced', async () => {
    await queue.post('q', 1)
    await claim('q', { wait: 5 })
    // Its agent was killed here; the next one finds the message hidden.
    await world.advance(30_000)
    const waiting = claim('q', { wait: 60 })
    await untilHeld(1)
    await queue.post('q', 'stands for the one that comes back')
    await world.advance(31_700)
    expect((await waiting).status).toBe(201)
  })

  test('is answered at once, without a promise to wait, when it does not ask to', async () => {
    const reply = await claim('q', { wait: 0 })
    expect(reply.status).toBe(204)
    expect(reply.headers).not.toHaveProperty('preference-applied')
  })

  test.for([
    ['a broken signature', { 'url-signature': '0'.repeat(64) }],
    ['another project', { 'x-project-id': 'p2' }],
    ['the signature of another time', { 'url-expires': '2099-01-01T00:00:00' }],
  ] as const)('with %s is refused by the queue service, and never held', async ([, headers]) => {
    const waiting = claim('q')
    await untilHeld(1)
    expect((await claim('q', { headers })).status).toBe(404)
    expect((await claim('q', { headers })).status).toBe(404)
    await untilHeld(1)
    await gateway[Symbol.asyncDispose]()
    expect((await waiting).status).toBe(204)
  })

  test('is answered 502 while the queue service is away, so that the agent goes around', async () => {
    await between[Symbol.asyncDispose]()
    expect((await claim('q')).status).toBe(502)
  })

  test('is answered with nothing at once when the gateway stops', async () => {
    const waiting = claim('q')
    await untilHeld(1)
    await gateway[Symbol.asyncDispose]()
    expect(await waiting).toMatchObject({ status: 204, headers: { connection: 'close' } })
  })
})

describe('an agent that has gone', () => {
  test('has nothing claimed for it', async () => {
    const gone = new AbortController()
    const waiting = claim('q', { signal: gone.signal })
    await untilHeld(1)
    gone.abort()
    await expect(waiting).rejects.toThrow()
    await untilHeld(0)
    await queue.post('q', 1)
    await notify('q')
    await world.advance(2000)
    expect(looks()).toBe(1)
  })

  test('has handed back what was just being claimed for it', async () => {
    await queue.post('q', 1)
    const gone = new AbortController()
    between.setGate({
      after: async ({ method }, status) => {
        if (method === 'POST' && status === 201) {
          gone.abort()
          await untilHeld(1)
        }
        return 'pass'
      },
    })
    await expect(claim('q', { signal: gone.signal })).rejects.toThrow()
    await expect
      .poll(async () => (await queue.send('POST', '/v2/queues/q/claims')).status, {
        interval: 20,
        timeout: 4000,
      })
      .toBe(201)
  })
})

describe('thousands of agents', () => {
  test('wait at the cost of one look each, and an announcement wakes only its own', async () => {
    const count = 200
    const waiting = Array.from({ length: count }, async (_, index) => await claim(`q-${index}`))
    await untilHeld(count)
    await expect.poll(looks, { timeout: 4000 }).toBe(count)
    await queue.post('q-7', 'for the seventh')
    await notify('q-7')
    await world.advance(10)
    expect((await waiting[7])?.bodies).toEqual(['for the seventh'])
    expect(looks()).toBe(count + 1)
    await world.advance(30_100)
    const answers = await Promise.all(waiting)
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(count - 1)
    expect(looks()).toBe(count + 1)
  })
})

describe('announcements', () => {
  test('that bring nothing are bounded for each queue, whoever makes them', async () => {
    const waiting = claim('q', { wait: 300 })
    await untilHeld(1)
    for (let second = 0; second < 60; second += 1) {
      await Promise.all([notify('q'), notify('q'), notify('q')])
      for (let step = 0; step < 10; step += 1) {
        await world.advance(100)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    }
    expect(looks()).toBeLessThan(100)
    // And a real one is still heard, a little later.
    await queue.post('q', 1)
    await notify('q')
    await world.advance(2000)
    expect((await waiting).bodies).toEqual([1])
  })

  test.for([
    ['no JSON', 'hello'],
    ['no queue', '{"Message_Type":"Notification"}'],
    ['a list', '[]'],
  ] as const)('with %s are refused', async ([, body]) => {
    const reply = await request(gateway.notifyUrl, { method: 'POST', body })
    expect(reply.statusCode).toBe(400)
    await reply.body.dump()
  })
})

describe('what goes through the gateway', () => {
  test('is a request with its signed headers and nothing that Zaqar may believe too much', async () => {
    await using server = await startServer({ status: 201, body: '{"resources":[]}' })
    await using own = await openGateway(
      { upstream: server.endpoint, port: 0, notifyPort: 0 },
      world,
    )
    const body = '{"messages":[]}'
    const reply = await request(`${own.url}/v2/queues/q/messages?x=1`, {
      method: 'POST',
      headers: {
        'url-signature': 'abc',
        'x-auth-token': 'stolen',
        'extra-spec': 'messagecode:x',
        'x-roles': 'admin',
        'client-id': aClient,
      },
      body,
    })
    expect(reply.statusCode).toBe(201)
    expect(await reply.body.text()).toBe('{"resources":[]}')
    const [seen] = server.requests
    expect(seen).toMatchObject({ method: 'POST', url: '/v2/queues/q/messages?x=1', body })
    expect(seen?.headers).toMatchObject({ 'url-signature': 'abc', 'client-id': aClient })
    for (const name of ['x-auth-token', 'extra-spec', 'x-roles']) {
      expect(seen?.headers).not.toHaveProperty(name)
    }
  })

  test.for([
    ['no signature', {}],
    ['an empty one', { 'url-signature': '' }],
  ] as const)('is nothing with %s', async ([, headers]) => {
    const reply = await request(`${gateway.url}/v2/queues/q/messages`, { headers })
    expect(reply.statusCode).toBe(404)
    expect(await reply.body.json()).toEqual({ title: '404 Not Found' })
    expect(between.passed).toEqual([])
  })

  test('is the version list, by which agents see that both are up', async () => {
    const reply = await request(gateway.url)
    expect(reply.statusCode).toBe(300)
    await reply.body.dump()
  })

  test('is the confirmation of a subscription, where Zaqar demands it', async () => {
    await using server = await startServer({ status: 204 })
    await using own = await openGateway(
      { upstream: server.endpoint, port: 0, notifyPort: 0 },
      world,
    )
    const path = '/v2/queues/sa-c-1/subscriptions/17/confirm'
    const reply = await request(own.notifyUrl, {
      method: 'POST',
      body: JSON.stringify({
        Message_Type: 'SubscriptionConfirmation',
        Message: 'You have chosen to subscribe to the queue: sa-c-1',
        'URL-Signature': 'abc',
        'URL-Methods': 'PUT',
        'URL-Paths': path,
        'URL-Expires': '2030-01-01T00:00:00',
        'X-Project-ID': 'p1',
        SubscribeBody: { confirmed: true },
        UnsubscribeBody: { confirmed: false },
        queue_name: 'sa-c-1',
      }),
    })
    expect(reply.statusCode).toBe(204)
    expect(server.requests[0]).toMatchObject({
      method: 'PUT',
      url: path,
      headers: { 'url-signature': 'abc', 'x-project-id': 'p1' },
      body: '{"confirmed":true}',
    })
  })
})
