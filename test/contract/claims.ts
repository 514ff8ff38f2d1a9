import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ClaimFound } from '../../protocol/zaqar/claims.ts'
import { type Contract, expectCode, newQueue } from './contract-server.ts'

/** What we rely on about a claim by one client. */
export function describeClaims({ client, server }: Contract): void {
  const claimOne = async (queue: string, ttlSeconds = 60): Promise<ClaimFound> => {
    const claim = await client().claimMessages(queue, { limit: 1, ttlSeconds, graceSeconds: 60 })
    if (claim.claimId === undefined) throw new Error('there was nothing to claim')
    return claim
  }
  const queueWith = async (...bodies: unknown[]) => {
    const queue = newQueue()
    await client().postMessages(
      queue,
      bodies.map((body) => ({ body })),
    )
    return queue
  }

  describe('a claim', () => {
    test('holds the oldest messages, each under its own id', async () => {
      const queue = await queueWith('a', 'b', 'c')
      const claim = await client().claimMessages(queue, { limit: 2 })
      expect(claim.messages.map(({ body }) => body)).toEqual(['a', 'b'])
      for (const message of claim.messages) expect(message.claimId).toBe(claim.claimId)
    })

    test('is none when there is nothing to claim', async () => {
      expect(await client().claimMessages(newQueue())).toMatchObject({
        claimId: undefined,
        messages: [],
      })
    })

    test('hides its messages from the next one', async () => {
      const queue = await queueWith('a', 'b')
      expect((await claimOne(queue)).messages[0]?.body).toBe('a')
      expect((await claimOne(queue)).messages[0]?.body).toBe('b')
      expect((await client().claimMessages(queue)).messages).toEqual([])
    })

    test('can be read', async () => {
      const queue = await queueWith('a')
      const claim = await claimOne(queue, 120)
      const state = await client().getClaim(queue, claim)
      expect(state).toMatchObject({ ttlSeconds: 120, messages: [{ body: 'a' }] })
    })

    test('can be read when all its messages are deleted', async () => {
      const queue = await queueWith('a')
      const claim = await claimOne(queue)
      for (const { id } of claim.messages) await client().deleteMessage(queue, id, { claim })
      expect((await client().getClaim(queue, claim)).messages).toEqual([])
    })

    test('is needed to delete its messages', async () => {
      const queue = await queueWith('a')
      const claim = await claimOne(queue)
      const id = claim.messages[0]?.id ?? ''
      await expectCode(client().deleteMessage(queue, id), 'ERR_QUEUE_CONFLICT')
      await client().deleteMessage(queue, id, { claim })
      await client().deleteMessage(queue, id, { claim })
      expect(await client().getMessage(queue, id)).toBeUndefined()
    })

    test('is not needed to delete many, as stock Zaqar has it', async () => {
      const queue = await queueWith('a')
      const claim = await claimOne(queue)
      await client().deleteMessages(
        queue,
        claim.messages.map(({ id }) => id),
      )
      expect(await client().getQueueStats(queue)).toMatchObject({ total: 0 })
    })

    test('is renewed with new times', async () => {
      const queue = await queueWith('a')
      const claim = await claimOne(queue, 60)
      await client().renewClaim(queue, claim, { ttlSeconds: 600 })
      expect(await client().getClaim(queue, claim)).toMatchObject({ ttlSeconds: 600 })
    })

    test('that is released gives its messages back at their old place', async () => {
      const queue = await queueWith('a', 'b')
      const claim = await claimOne(queue)
      await client().releaseClaim(queue, claim)
      await client().releaseClaim(queue, claim)
      expect((await claimOne(queue)).messages).toMatchObject([
        { id: claim.messages[0]?.id, body: 'a' },
      ])
    })

    test('that is released is lost for all that names it', async () => {
      const queue = await queueWith('a')
      const claim = await claimOne(queue)
      await client().releaseClaim(queue, claim)
      const id = claim.messages[0]?.id ?? ''
      await expectCode(client().deleteMessage(queue, id, { claim }), 'ERR_CLAIM_LOST')
      await expectCode(client().getClaim(queue, claim), 'ERR_CLAIM_LOST')
      await expectCode(client().renewClaim(queue, claim, { ttlSeconds: 60 }), 'ERR_CLAIM_LOST')
    })

    test('that never was is lost', async () => {
      const queue = await queueWith('a')
      await expectCode(client().getClaim(queue, { claimId: randomUUID() }), 'ERR_CLAIM_LOST')
    })

    test('does not open what another claim holds', async () => {
      const queue = await queueWith('a', 'b')
      const first = await claimOne(queue)
      const second = await claimOne(queue)
      const id = first.messages[0]?.id ?? ''
      await expectCode(client().deleteMessage(queue, id, { claim: second }), 'ERR_CLAIM_LOST')
    })

    test('ends with its time, and its messages are claimed again', async (context) => {
      const advance = server().advance ?? context.skip('nobody moves this clock')
      const queue = await queueWith('a')
      const first = await claimOne(queue, 60)
      await advance(59_000)
      expect((await client().claimMessages(queue)).messages).toEqual([])
      await advance(2000)
      const second = await claimOne(queue, 60)
      const id = first.messages[0]?.id ?? ''
      expect(second.messages[0]?.id).toBe(id)
      await expectCode(client().getClaim(queue, first), 'ERR_CLAIM_LOST')
      await expectCode(client().deleteMessage(queue, id, { claim: first }), 'ERR_CLAIM_LOST')
      await client().deleteMessage(queue, id, { claim: second })
    })

    test('that is renewed in time does not end', async (context) => {
      const advance = server().advance ?? context.skip('nobody moves this clock')
      const queue = await queueWith('a')
      const claim = await claimOne(queue, 60)
      await advance(50_000)
      await client().renewClaim(queue, claim, { ttlSeconds: 60 })
      await advance(50_000)
      expect((await client().claimMessages(queue)).messages).toEqual([])
    })

    test('keeps its messages alive beyond their own time', async (context) => {
      const advance = server().advance ?? context.skip('nobody moves this clock')
      const queue = newQueue()
      await client().postMessages(queue, [{ body: 'a', ttlSeconds: 60 }])
      const claim = await claimOne(queue, 300)
      await advance(200_000)
      expect((await client().getClaim(queue, claim)).messages).toHaveLength(1)
    })
  })
}
