import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { fakeWorld } from '../../test/fake-world.ts'
import { openStore, type Store } from './open-store.ts'

const world = fakeWorld()
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sahara-store-'))
})
afterEach(async () => await rm(directory, { recursive: true, force: true }))

const Row = z.object({ value: z.number() })

function add(store: Store, value: number): void {
  store.database.run('INSERT INTO numbers (value) VALUES (:value)', { value })
}

function values(store: Store): number[] {
  return store.database.all(Row, 'SELECT value FROM numbers').map(({ value }) => value)
}

describe('changes of one turn', () => {
  test('are flushed together, and one that fails is undone alone', async () => {
    using store = await openStore(directory, world)
    store.database.script('CREATE TABLE numbers (value INTEGER)')
    const settled = await Promise.allSettled([
      store.write(() => add(store, 1)),
      store.write(() => {
        add(store, 2)
        throw new Error('undo me')
      }),
      store.write(() => add(store, 3)),
    ])
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(values(store)).toEqual([1, 3])
  })

  test('are all undone, and all told, when the flush fails', async () => {
    using store = await openStore(directory, world)
    store.database.script(
      'CREATE TABLE numbers (value INTEGER UNIQUE, FOREIGN KEY (value) REFERENCES numbers (value) DEFERRABLE INITIALLY DEFERRED)',
    )
    // A deferred constraint that breaks fails the COMMIT itself, as a full disk does.
    store.database.script(
      'CREATE TABLE children (parent INTEGER REFERENCES numbers (value) DEFERRABLE INITIALLY DEFERRED)',
    )
    const settled = await Promise.allSettled([
      store.write(() => add(store, 1)),
      store.write(() => store.database.run('INSERT INTO children VALUES (99)')),
    ])
    for (const outcome of settled) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_STORE_WRITE' } })
    }
    expect(values(store)).toEqual([])
    await store.write(() => add(store, 5))
    expect(values(store)).toEqual([5])
  })

  test('that need not hurry go with the next one, before it, or by themselves a little later', async () => {
    const clock = fakeWorld()
    using store = await openStore(directory, clock)
    store.database.script('CREATE TABLE numbers (value INTEGER)')
    const soon = store.writeSoon(() => add(store, 1))
    await store.write(() => add(store, 2))
    await soon
    expect(values(store)).toEqual([1, 2])
    const alone = store.writeSoon(() => add(store, 3))
    expect(values(store)).toEqual([1, 2])
    await clock.advance(50)
    await alone
    expect(values(store)).toEqual([1, 2, 3])
  })

  test('that were asked for are kept when the store is closed', async () => {
    const store = await openStore(directory, world)
    store.database.script('CREATE TABLE numbers (value INTEGER)')
    const writing = store.write(() => add(store, 7))
    const soon = store.writeSoon(() => add(store, 8))
    store[Symbol.dispose]()
    await Promise.all([writing, soon])
    using again = await openStore(directory, world)
    expect(values(again)).toEqual([7, 8])
  })
})

describe('a store', () => {
  test('lets nobody else read its files', async () => {
    using _ = await openStore(directory, world)
    for (const name of ['controller.db', 'controller.db-wal', 'store.key']) {
      const { mode } = await stat(join(directory, name))
      expect([name, mode & 0o077]).toEqual([name, 0])
    }
  })

  test('opens what it has sealed, in its place only', async () => {
    using store = await openStore(directory, world)
    const sealed = store.key.seal(Uint8Array.of(1, 2, 3), 'here')
    expect([...store.key.open(sealed, 'here')]).toEqual([1, 2, 3])
    expect(() => store.key.open(sealed, 'there')).toThrow('does not open')
  })

  test.for([
    ['is missing', async (path: string) => await rm(path)],
    ['is another one', async (path: string) => await writeFile(path, 'ab'.repeat(32))],
    ['is cut', async (path: string) => await writeFile(path, 'ab')],
  ] as const)('whose key %s is refused, and nothing is made up', async ([, spoil]) => {
    ;(await openStore(directory, world))[Symbol.dispose]()
    await spoil(join(directory, 'store.key'))
    await expect(openStore(directory, world)).rejects.toMatchObject({ code: 'ERR_STORE_UNUSABLE' })
  })

  test('of a newer version is refused', async () => {
    const store = await openStore(directory, world)
    store.database.script('PRAGMA user_version = 1000')
    store[Symbol.dispose]()
    await expect(openStore(directory, world)).rejects.toMatchObject({ code: 'ERR_STORE_UNUSABLE' })
  })
})
