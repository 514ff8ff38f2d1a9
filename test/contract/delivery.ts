import { describe, expect, test } from 'vitest'
import { type Contract, connect, newQueue } from './contract-server.ts'

/** What we rely on when several take from one queue, and when nobody can. */
export function describeDelivery({ client, server }: Contract): void {
  test('fresh messages reach each of several parallel claimers once', async () => {
    const queue = newQueue()
    const bodies = Array.from({ length: 120 }, (_, index) => index)
    await client().postMessages(
      queue,
      bodies.map((body) => ({ body })),
    )
    const drain = async () => {
      await using claimer = connect(server())
      const taken: unknown[] = []
      for (;;) {
        const claim = await claimer.claimMessages(queue, { limit: 5 })
        if (claim.claimId === undefined) return taken
        for (const { id, body } of claim.messages) {
          taken.push(body)
          await claimer.deleteMessage(queue, id, { claim })
        }
      }
    }
    const taken = (await Promise.all([drain(), drain(), drain(), drain()])).flat()
    expect(taken.toSorted((a, b) => Number(a) - Number(b))).toEqual(bodies)
    expect(await client().getQueueStats(queue)).toMatchObject({ total: 0 })
  })

  test('parallel posts of one client are all there', async () => {
    const queue = newQueue()
    const posts = Array.from({ length: 20 }, (_, index) =>
      client().postMessages(queue, [{ body: index }]),
    )
    const ids = (await Promise.all(posts)).flat()
    const listed = await Array.fromAsync(client().listMessages(queue))
    expect(listed.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  })

  test('a message that was claimed too often goes to the dead letters', async () => {
    const [queue, deadLetters] = [newQueue(), newQueue()]
    await client().createQueue(deadLetters)
    await client().createQueue(queue, { _max_claim_count: 2, _dead_letter_queue: deadLetters })
    await client().postMessages(queue, [{ body: 'poison' }])
    for (let count = 0; count < 2; count += 1) {
      const claim = await client().claimMessages(queue)
      expect(claim.messages).toHaveLength(1)
      if (claim.claimId !== undefined) await client().releaseClaim(queue, claim)
    }
    expect((await client().claimMessages(queue)).messages).toEqual([])
    const dead = await Array.fromAsync(client().listMessages(deadLetters, { includeClaimed: true }))
    expect(dead.map(({ body }) => body)).toEqual(['poison'])
  })

  describe('a claim that may wait', () => {
    test('is answered at once when there is a message', async () => {
      const queue = newQueue()
      await client().postMessages(queue, [{ body: 1 }])
      expect((await client().claimMessages(queue, { waitSeconds: 30 })).messages).toHaveLength(1)
    })

    test('is answered by a server without long poll at once, and it says so', async (context) => {
      if (server().isLongPolling) context.skip('this server waits')
      const claim = await client().claimMessages(newQueue(), { waitSeconds: 30 })
      expect(claim).toMatchObject({ messages: [], waited: false })
    })

    test('is woken by the post it waits for', async (context) => {
      if (!server().isLongPolling) context.skip('this server does not wait')
      const queue = newQueue()
      await using waiter = connect(server())
      const claim = waiter.claimMessages(queue, { waitSeconds: 30 })
      // A full exchange on another connection: most likely the claim has come in before it.
      await client().ping()
      await client().postMessages(queue, [{ body: 'wake up' }])
      expect((await claim).messages).toMatchObject([{ body: 'wake up' }])
    })

    test('wakes for one of several only, when one message comes', async (context) => {
      if (!server().isLongPolling) context.skip('this server does not wait')
      const queue = newQueue()
      await using waiter = connect(server())
      const stop = new AbortController()
      const options = { waitSeconds: 30, signal: stop.signal }
      const claims = [waiter.claimMessages(queue, options), waiter.claimMessages(queue, options)]
      const settled = Promise.allSettled(claims)
      await client().postMessages(queue, [{ body: 1 }])
      expect((await Promise.race(claims)).messages).toHaveLength(1)
      stop.abort()
      const outcomes = (await settled).map(({ status }) => status)
      expect(outcomes.toSorted()).toEqual(['fulfilled', 'rejected'])
    })

    test('that is given up takes no message with it', async (context) => {
      if (!server().isLongPolling) context.skip('this server does not wait')
      const queue = newQueue()
      await using waiter = connect(server())
      const stop = new AbortController()
      const claim = waiter.claimMessages(queue, { waitSeconds: 30, signal: stop.signal })
      await client().ping()
      stop.abort(new Error('given up'))
      await expect(claim).rejects.toThrow('given up')
      await client().postMessages(queue, [{ body: 'for the next' }])
      const next = await client().claimMessages(queue, { waitSeconds: 10 })
      expect(next.messages).toMatchObject([{ body: 'for the next' }])
    })
  })
}
