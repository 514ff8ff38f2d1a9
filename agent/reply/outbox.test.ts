import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
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
  const closing = new AbortController()
  const outbox = createOutbox(
    {
      post: async (messages) => {
        const taken = Promise.withResolvers<void>()
        const sealed = messages.map(({ body }) => Envelope.parse(body).sealed)
        posts.push({ sealed, take: taken.resolve })
        await taken.promise
      },
    },
    {
      keeper: {
        credentials: () => credentials,
        enrolment: unused,
        replace: unused,
        renewed: unused,
        watch: unused,
      },
      lookout: { untilBack: unused, cameBack: note },
      world: fakeWorld(),
      log: { debug: note, info: note, warn: note, error: note },
    },
    closing.signal,
  )
  const running = outbox.run().catch(note)
  const end = async () => {
    closing.abort(new Error('the end'))
    await running
  }
  return { outbox, posts, [Symbol.asyncDispose]: end }
}

describe('the outbox', () => {
  test('has several full POSTs under way where order does not matter, and no more than three', async () => {
    await using at = anOutbox()
    const sent = [1, 2, 3, 4].map(
      async (one) => await at.outbox.post(message(`${one}${full}`, { inAnyOrder: true })),
    )
    await settle()
    expect(at.posts.length).toBe(3)
    at.posts[1]?.take()
    await sent[1]
    await settle()
    expect(at.posts.map(({ sealed }) => sealed.map((text) => text[0]))).toEqual([
      ['1'],
      ['2'],
      ['3'],
      ['4'],
    ])
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
