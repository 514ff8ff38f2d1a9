import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { QueueLimits } from '../queue-options.ts'
import { openStore, type Store } from './open-store.ts'

const queue = { project: 'p1', name: 'q' }

function openTestStore(): { store: Store } & Disposable {
  const directory = mkdtempDisposableSync(join(tmpdir(), 'sahara-queue-'))
  const store = openStore(join(directory.path, 'queue.db'), QueueLimits.parse({}), fakeWorld())
  return {
    store,
    [Symbol.dispose]: () => {
      store[Symbol.dispose]()
      directory.remove()
    },
  }
}

describe('a queue that was read before', () => {
  test('is unknown when the change that made it was undone', () => {
    using opened = openTestStore()
    const { queues, change, look } = opened.store
    const failing = () =>
      change(() => {
        queues.create(queue, {})
        expect(queues.find(queue)).toBeDefined()
        throw new Error('no')
      })
    expect(failing).toThrow('no')
    expect(look(() => queues.find(queue))).toBeUndefined()
  })

  test('shows its new metadata, another key after a purge, and nothing once it is removed', () => {
    using opened = openTestStore()
    const { queues, change } = opened.store
    const find = () => queues.find(queue)
    change(() => queues.create(queue, {}))
    const first = find()
    change(() => queues.setMetadata(first?.key ?? 0, { _default_message_ttl: 120 }))
    const changed = find()
    expect(changed).toMatchObject({ key: first?.key, settings: { messageTtlSeconds: 120 } })
    change(() => {
      if (changed !== undefined) queues.purge(changed)
    })
    const purged = find()
    expect(purged?.key).not.toBe(first?.key)
    expect(purged?.settings.messageTtlSeconds).toBe(120)
    change(() => {
      if (purged !== undefined) queues.remove(purged)
    })
    expect(find()).toBeUndefined()
  })
})
