import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { signUrl } from '../../protocol/signed-url/sign-url.ts'
import type { SignedUrl } from '../../protocol/signed-url/signed-url.ts'
import { type Contract, connectSigned, expectCode, newQueue } from './contract-server.ts'

const hourMs = 3_600_000

/** What we rely on about signed URLs: what they open, and above all what they do not. */
export function describeSignedUrls({ client, server }: Contract): void {
  const inOneHour = async () => {
    // By the server's clock, as the tests may have moved it; a Zaqar under uwsgi does not tell it.
    const { serverTime } = await client().claimMessages(newQueue())
    return new Date((serverTime?.getTime() ?? Date.now()) + hourMs)
  }
  const mint = async (
    queue: string,
    paths: readonly ('messages' | 'claims')[],
    methods: readonly ('GET' | 'POST' | 'PATCH' | 'DELETE')[],
  ) => client().shareQueue(queue, { paths, methods, expires: await inOneHour() })

  describe('a signed URL', () => {
    test('is minted with the very signature that our own code computes', async () => {
      const queue = newQueue()
      const expires = await inOneHour()
      const grant = { paths: ['messages', 'claims'], methods: ['POST', 'DELETE'], expires } as const
      const minted = await client().shareQueue(queue, grant)
      const paths = grant.paths.map((path) => `/v2/queues/${queue}/${path}`)
      const { projectId: project, secretKey } = server()
      expect(minted.signature).toBe(signUrl({ ...grant, paths, project }, secretKey).signature)
    })

    test('to claim and one to acknowledge are all that an agent needs for its commands', async () => {
      const queue = newQueue()
      await client().postMessages(queue, [{ body: 1 }, { body: 2 }])
      await using claimer = connectSigned(
        server(),
        await mint(queue, ['claims'], ['POST', 'PATCH', 'DELETE']),
      )
      await using acknowledger = connectSigned(
        server(),
        await mint(queue, ['messages'], ['DELETE']),
      )
      const claim = await claimer.claimMessages(queue)
      if (claim.claimId === undefined) throw new Error('there was nothing to claim')
      await claimer.renewClaim(queue, claim, { ttlSeconds: 120 })
      const [first] = claim.messages
      await acknowledger.deleteMessage(queue, first?.id ?? '', { claim })
      await claimer.releaseClaim(queue, claim)
      expect((await client().claimMessages(queue)).messages).toMatchObject([{ body: 2 }])
    })

    test('to post opens nothing else', async () => {
      const queue = newQueue()
      await using poster = connectSigned(server(), await mint(queue, ['messages'], ['POST']))
      const [id = ''] = await poster.postMessages(queue, [{ body: 1 }])
      const refused = 'ERR_SIGNED_URL_REFUSED'
      await expectCode(poster.listMessagePage(queue), refused)
      await expectCode(poster.getMessage(queue, id), refused)
      await expectCode(poster.deleteMessage(queue, id), refused)
      await expectCode(poster.popMessages(queue, 1), refused)
      await expectCode(poster.claimMessages(queue), refused)
      await expectCode(poster.postMessages(newQueue(), [{ body: 1 }]), refused)
    })

    test('never opens the queue itself, its stats, a purge, or the minting of others', async () => {
      const queue = newQueue()
      await client().createQueue(queue)
      const url = await mint(queue, ['messages', 'claims'], ['GET', 'POST', 'PATCH', 'DELETE'])
      await using holder = connectSigned(server(), url)
      const refused = 'ERR_SIGNED_URL_REFUSED'
      await expectCode(holder.getQueue(queue), refused)
      await expectCode(holder.deleteQueue(queue), refused)
      await expectCode(holder.getQueueStats(queue), refused)
      await expectCode(holder.purgeQueue(queue), refused)
      await expectCode(Array.fromAsync(holder.listQueues()), refused)
      const grant = { paths: ['messages'], methods: ['GET'], expires: await inOneHour() } as const
      await expectCode(holder.shareQueue(queue, grant), refused)
    })

    test.for([
      ['has another signature', (url) => ({ ...url, signature: 'f'.repeat(64) })],
      ['has one more method', (url) => ({ ...url, methods: [...url.methods, 'GET'] })],
      ['is for another project', (url) => ({ ...url, project: randomUUID() })],
      ['was given a longer life', (url) => ({ ...url, expires: '2999-01-01T00:00:00' })],
      ['has another queue’s path', (url) => ({ ...url, paths: [`${url.paths[0]}x`] })],
      [
        'was signed under another key',
        ({ expires, ...url }) => signUrl({ ...url, expires: new Date(`${expires}Z`) }, 'guessed'),
      ],
    ] satisfies [string, (url: SignedUrl) => SignedUrl][])(
      'is refused when it %s',
      async ([, tamper]) => {
        const queue = newQueue()
        const url = await mint(queue, ['messages'], ['POST'])
        await using holder = connectSigned(server(), tamper(url))
        await expectCode(holder.postMessages(queue, [{ body: 1 }]), 'ERR_SIGNED_URL_REFUSED')
        await expectCode(holder.listMessagePage(queue), 'ERR_SIGNED_URL_REFUSED')
      },
    )

    test('is refused as expired when its time is over', async () => {
      const queue = newQueue()
      const url = await mint(queue, ['messages'], ['POST'])
      const anHourAgo = new Date((await inOneHour()).getTime() - 2 * hourMs)
      await using holder = connectSigned(
        server(),
        signUrl({ ...url, expires: anHourAgo }, server().secretKey),
      )
      const posting = holder.postMessages(queue, [{ body: 1 }])
      await expectCode(posting, 'ERR_SIGNED_URL_EXPIRED')
    })

    test('is not minted with an end in the past', async () => {
      const expires = new Date((await inOneHour()).getTime() - 2 * hourMs)
      const grant = { paths: ['messages'], methods: ['GET'], expires } as const
      await expectCode(client().shareQueue(newQueue(), grant), 'ERR_QUEUE_BAD_REQUEST')
    })
  })
}
