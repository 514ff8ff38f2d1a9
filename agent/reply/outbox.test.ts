import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { BadRequestError, MessageTooLargeError } from '../../protocol/zaqar/errors.ts'
import { fakeWorld } from '../../test/fake-world.ts'
import { createOutbox, type OutgoingMessage } from './outbox.ts'

const Envelope = z.object({ sealed: z.string() })
/** So much that nothing else goes into the same POST. */
const full = 'f'.repeat(262_000)

function message(sealed: string, how: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { envelope: { v: 1, sealed }, ttlSeconds: 60, ...how }
}

const url = {
  project: 'p',
  paths: ['/v2/queues/q/messages'],
  methods: ['POST' as const],
  expires: '2031-01-01T00:00:00',
  signature: '0'.repeat(64),
}
const credentials = {
  endpoint: 'http://localhost',
  claim: url,
  acknowledge: url,
  reply: url,
  lobby: url,
}
const note = () => undefined
const unused = () => {
  throw new Error('nothing fails here')
}

/** All that can go on without somebody else has gone on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn()
}

/** An outbox at work, and a queue that takes each POST when it is told to. */
function anOutbox() {
  const posts: { sealed: string[]; take: () => void }[] = []
  const box = anOutboxTo(async (sealed) => {
    const taken = Promise.withResolvers<void>()
    posts.push({ sealed, take: taken.resolve })
    await taken.promise
  })
  return Object.assign(box, { posts })
}

function anOutboxTo(post: (sealed: string[]) => Promise<void>) {
  const closing = new AbortController()
  const world = fakeWorld()
  const outbox = createOutbox(
    {
      post: async (messages) => await post(messages.map(({ body }) => Envelope.parse(body).sealed)),
    },
    {
      keeper: {
        credentials: () => credentials,
        enrolment: unused,
        replace: unused,
        renewed: unused,
        watch: unused,
      },
      lookout: { untilBack: unused, cameBack: note, whenBack: unused },
      world,
      log: { debug: note, info: note, warn: note, error: note },
    },
    closing.signal,
  )
  const running = outbox.run().catch(note)
  const end = async () => {
    closing.abort(new Error('the end'))
    await running
  }
  return { outbox, world, [Symbol.asyncDispose]: end }
}

describe('the outbox', () => {
  test('has several full POSTs under way where order does not matter, and no more than eight', async () => {
    await using at = anOutbox()
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    const sent = numbers.map(
      async (one) => await at.outbox.post(message(`${one}${full}`, { inAnyOrder: true })),
    )
    await settle()
    expect(at.posts.length).toBe(8)
    at.posts[1]?.take()
    await sent[1]
    await settle()
    expect(at.posts.map(({ sealed }) => sealed.map((text) => Number(text[0])))).toEqual(
      numbers.map((one) => [one]),
    )
    for (const { take } of at.posts) take()
    await Promise.all(sent)
    await at.outbox.drained(new AbortController().signal)
  })

  test('posts a result only when all output before it was taken, and what comes after it only when it was', async () => {
    await using at = anOutbox()
    for (const one of ['1', '2']) {
      void at.outbox.post(message(`${one}${full}`, { inAnyOrder: true })).catch(() => undefined)
    }
    const result = at.outbox.post(message('result'))
    void at.outbox.post(message(`3${full}`, { inAnyOrder: true })).catch(() => undefined)
    await settle()
    expect(at.posts.length).toBe(2)
    at.posts[1]?.take()
    await settle()
    expect(at.posts.length).toBe(2)
    at.posts[0]?.take()
    await settle()
    expect(at.posts.at(-1)?.sealed).toEqual(['result'])
    expect(at.posts.length).toBe(3)
    at.posts[2]?.take()
    await result
    await settle()
    expect(at.posts.length).toBe(4)
  })

  test('joins what is small while a POST is under way', async () => {
    await using at = anOutbox()
    const small = ['a', 'b', 'c'].map((text) => message(text, { inAnyOrder: true }))
    const [first, ...others] = small.map(async (one, index) => {
      if (index > 0) await settle()
      await at.outbox.post(one)
    })
    await settle()
    await settle()
    expect(at.posts.map(({ sealed }) => sealed)).toEqual([['a']])
    at.posts[0]?.take()
    await first
    await settle()
    expect(at.posts.map(({ sealed }) => sealed)).toEqual([['a'], ['b', 'c']])
    at.posts[1]?.take()
    await Promise.all(others)
  })
})

/** The `cut` of what cannot be smaller. */
const asItIs = async () => []

/** A queue that takes so many bytes of sealed text in one POST. */
function aSmallQueue(limitBytes: number, { says = true } = {}) {
  const taken: string[][] = []
  let refusals = 0
  const box = anOutboxTo(async (sealed) => {
    if (sealed.join('').length > limitBytes) {
      refusals += 1
      const announced = says ? { limitBytes } : {}
      throw new MessageTooLargeError('post', 'x', { status: 400, ...announced })
    }
    taken.push(sealed)
  })
  return Object.assign(box, { taken, refusals: () => refusals })
}

/** A queue, or a firewall before it, that calls everything too large in which `bad` is, until it is repaired. */
function aQueueThatRefuses(bad: string) {
  const taken: string[] = []
  let refusals = 0
  let isRepaired = false
  const box = anOutboxTo(async (sealed) => {
    if (!isRepaired && sealed.some((text) => text.includes(bad))) {
      refusals += 1
      throw new MessageTooLargeError('post', 'x', { status: 413 })
    }
    taken.push(...sealed)
  })
  const repair = () => {
    isRepaired = true
  }
  return Object.assign(box, { taken, refusals: () => refusals, repair })
}

/** A message that may be cut anywhere. */
function aLongText(sealed: string): OutgoingMessage {
  const cut = async (limit: number) =>
    sealed.length <= limit - 128
      ? []
      : (sealed.match(new RegExp(`.{1,${limit - 128}}`, 'g')) ?? []).map((part) => aLongText(part))
  return message(sealed, { inAnyOrder: true, cut })
}

describe('a queue that takes less than Zaqar does by default', () => {
  test.for([
    ['says so', true],
    ['does not say how much', false],
  ] as const)('gets smaller POSTs, in the same order, when it %s', async ([, says]) => {
    await using at = aSmallQueue(10_000, { says })
    const all = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => letter.repeat(3000))
    await Promise.all(all.map(async (one) => await at.outbox.post(message(one))))
    expect(at.taken.flat()).toEqual(all)
    await at.outbox.drained(new AbortController().signal)
    const before = at.refusals()
    await Promise.all(all.map(async (one) => await at.outbox.post(message(one))))
    expect(at.refusals()).toBe(before)
  })

  test('gets what is too large for it in pieces, and only then what was behind', async () => {
    await using at = aSmallQueue(1000)
    const large = Array.from({ length: 500 }, (_, index) => `${index}`.padStart(8)).join('')
    const sent = [
      at.outbox.post(aLongText(large)),
      at.outbox.post(message('the result', { cut: asItIs })),
    ]
    await Promise.all(sent)
    expect(at.taken.flat().at(-1)).toBe('the result')
    expect(at.taken.flat().slice(0, -1).join('')).toBe(large)
  })

  test('does not get what can be missed and is too large, and gets all else', async () => {
    await using at = aSmallQueue(1000)
    const heartbeat = at.outbox.post(message('x'.repeat(1001), { replaces: 'heartbeat' }))
    const [missed] = await Promise.allSettled([heartbeat, at.outbox.post(message('the result'))])
    expect(missed).toMatchObject({ reason: { code: 'ERR_MESSAGE_TOO_LARGE' } })
    expect(at.taken).toEqual([['the result']])
  })
})

describe('a queue that calls too large what would be at any size', () => {
  test('gets all else at once, in POSTs as large as ever, and that one again and again', async () => {
    await using at = aQueueThatRefuses('bad')
    const good = Array.from({ length: 60 }, (_, index) => `${index} `.repeat(500))
    const [before, behind] = [good.slice(0, 30), good.slice(30)]
    const post = async (sealed: string) => await at.outbox.post(message(sealed, { cut: asItIs }))
    const sent = before.map(post)
    const bad = post('bad')
    await Promise.all([...sent, ...behind.map(post)])
    expect(at.taken).toEqual(good)
    await settle()
    expect(at.outbox.postLimitBytes()).toBe(262_144)
    const untilAlone = at.refusals()
    expect(untilAlone).toBeLessThan(10)
    await settle()
    expect(at.refusals()).toBe(untilAlone)

    await at.world.advance(600_000)
    await settle()
    expect(at.refusals()).toBeGreaterThan(untilAlone)
    expect(at.outbox.postLimitBytes()).toBe(262_144)
    at.repair()
    await at.world.advance(600_000)
    await bad
    expect(at.taken).toEqual([...good, 'bad'])
  })

  test('gets a long output but for one piece of a few KiB, and later that too', async () => {
    await using at = aQueueThatRefuses('bad')
    const text = 'abcdefgh'.repeat(10_000)
    const sent = at.outbox.post(aLongText(`${text}bad${text}`))
    await settle()
    const missing = text.length * 2 + 3 - at.taken.join('').length
    expect(missing).toBeGreaterThan(2048)
    expect(missing).toBeLessThanOrEqual(4096)
    expect(at.outbox.postLimitBytes()).toBe(262_144)
    at.repair()
    await at.world.advance(600_000)
    await sent
    expect(at.taken.join('').length).toBe(text.length * 2 + 3)
  })

  test('keeps no small messages going round that it refuses together only', async () => {
    const taken: string[] = []
    await using at = anOutboxTo(async (sealed) => {
      if (sealed.length > 1) throw new MessageTooLargeError('post', 'x', { status: 413 })
      taken.push(...sealed)
    })
    const all = ['one', 'two', 'three']
    await Promise.all(all.map(async (sealed) => await at.outbox.post(message(sealed))))
    expect(taken).toEqual(all)
  })
})

describe('a message that the queue refuses for good', () => {
  test.for([
    ['is no request that it takes', new BadRequestError('post', 'x', { status: 400 })],
    ['is too large, and cannot be smaller', new MessageTooLargeError('post', 'x', { status: 413 })],
  ] as const)('as it %s holds up no other, and is tried again', async ([, error]) => {
    const taken: string[] = []
    let isRepaired = false
    await using at = anOutboxTo(async (sealed) => {
      if (sealed.includes('bad') && !isRepaired) throw error
      taken.push(...sealed)
    })
    const all = ['one', 'bad', 'two'].map(
      async (sealed) => await at.outbox.post(message(sealed, { cut: asItIs })),
    )
    await Promise.all([all[0], all[2], at.outbox.post(message('three'))])
    expect(taken).toEqual(['one', 'two', 'three'])
    isRepaired = true
    await at.world.advance(600_000)
    await all[1]
    expect(taken).toEqual(['one', 'two', 'three', 'bad'])
    await at.outbox.drained(new AbortController().signal)
  })
})
