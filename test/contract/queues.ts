import { describe, expect, test } from 'vitest'
import { type Contract, expectCode, newQueue } from './contract-server.ts'

/** What we rely on about queues as a whole. */
export function describeQueues({ client }: Contract): void {
  const namesOfAll = async () =>
    (await Array.fromAsync(client().listQueues())).map(({ name }) => name)

  describe('a queue', () => {
    test('is created once, and keeps its metadata when it is created again', async () => {
      const queue = newQueue()
      expect(await client().createQueue(queue, { colour: 'red' })).toBe('created')
      expect(await client().createQueue(queue, { colour: 'blue' })).toBe('existed')
      expect(await client().getQueue(queue)).toMatchObject({ colour: 'red' })
    })

    test('that does not exist shows the defaults', async () => {
      expect(await client().getQueue(newQueue())).toMatchObject({ _default_message_ttl: 3600 })
    })

    test('takes changes of its metadata, and answers with the whole', async () => {
      const queue = newQueue()
      await client().createQueue(queue, { colour: 'red', size: 1 })
      const changed = await client().patchQueue(queue, [
        { op: 'replace', key: 'colour', value: 'blue' },
        { op: 'add', key: '_default_message_ttl', value: 120 },
        { op: 'remove', key: 'size' },
      ])
      expect(changed).toMatchObject({ colour: 'blue', _default_message_ttl: 120 })
      expect(changed).not.toHaveProperty('size')
      expect(await client().getQueue(queue)).toMatchObject({ colour: 'blue' })
    })

    test('refuses to replace or remove what is not there', async () => {
      const queue = newQueue()
      await client().createQueue(queue)
      const replace = [{ op: 'replace', key: 'nothing', value: 1 }] as const
      await expectCode(client().patchQueue(queue, replace), 'ERR_QUEUE_CONFLICT')
      const remove = [{ op: 'remove', key: 'nothing' }] as const
      await expectCode(client().patchQueue(queue, remove), 'ERR_QUEUE_CONFLICT')
    })

    test('that does not exist cannot be changed', async () => {
      const change = [{ op: 'add', key: 'a', value: 1 }] as const
      await expectCode(client().patchQueue(newQueue(), change), 'ERR_QUEUE_NOT_FOUND')
    })

    test('refuses reserved metadata out of range', async () => {
      const creating = client().createQueue(newQueue(), { _default_message_ttl: 59 })
      await expectCode(creating, 'ERR_QUEUE_BAD_REQUEST')
    })

    test('is deleted with its messages, and deleting it again is no error', async () => {
      const queue = newQueue()
      await client().postMessages(queue, [{ body: 1 }])
      await client().deleteQueue(queue)
      await client().deleteQueue(queue)
      expect((await client().listMessagePage(queue)).items).toEqual([])
      expect(await namesOfAll()).not.toContain(queue)
    })

    test('is made by the first message', async () => {
      const queue = newQueue()
      await client().postMessages(queue, [{ body: 1 }])
      expect(await namesOfAll()).toContain(queue)
    })

    test('is not made by looking at it', async () => {
      const queue = newQueue()
      expect((await client().listMessagePage(queue)).items).toEqual([])
      expect((await client().claimMessages(queue)).messages).toEqual([])
      expect(await client().popMessages(queue, 1)).toEqual([])
      expect(await namesOfAll()).not.toContain(queue)
    })

    test('is listed once, however many pages there are', async () => {
      const queues = Array.from({ length: 23 }, newQueue)
      for (const queue of queues) await client().createQueue(queue)
      const listed = (await namesOfAll()).filter((name) => queues.includes(name))
      expect(listed.toSorted()).toEqual(queues.toSorted())
    })

    test('is listed with its metadata when that is asked for', async () => {
      const queue = newQueue()
      await client().createQueue(queue, { colour: 'red' })
      const listed = await Array.fromAsync(client().listQueues({ detailed: true }))
      const found = listed.find(({ name }) => name === queue)
      expect(found?.metadata).toMatchObject({ colour: 'red' })
    })

    test('counts its claimed and its free messages', async () => {
      const queue = newQueue()
      expect(await client().getQueueStats(queue)).toEqual({ claimed: 0, free: 0, total: 0 })
      await client().postMessages(queue, [{ body: 1 }, { body: 2 }, { body: 3 }])
      await client().claimMessages(queue, { limit: 1 })
      expect(await client().getQueueStats(queue)).toEqual({ claimed: 1, free: 2, total: 3 })
    })

    test('is empty and still there after a purge', async () => {
      const queue = newQueue()
      await client().createQueue(queue, { colour: 'red' })
      await client().postMessages(queue, [{ body: 1 }, { body: 2 }])
      await client().purgeQueue(queue)
      expect((await client().listMessagePage(queue)).items).toEqual([])
      expect(await client().getQueue(queue)).toMatchObject({ colour: 'red' })
    })
  })

  test('the service answers a ping, and shows its home and its versions', async () => {
    await client().ping()
    expect(await client().getHome()).toHaveProperty('resources')
    expect(await client().getVersions()).toContainEqual({ id: '2', status: 'CURRENT' })
  })
}
