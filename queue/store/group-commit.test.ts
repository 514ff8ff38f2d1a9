import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { GroupCommit, StorageFailure } from './group-commit.ts'
import { openDatabase } from './open-database.ts'

function openGroup(maxBytes = 2 ** 30) {
  const directory = mkdtempDisposableSync(join(tmpdir(), 'sahara-queue-'))
  const file = join(directory.path, 'queue.db')
  const { db, [Symbol.dispose]: close } = openDatabase(file, maxBytes)
  const insert = db.prepare('INSERT INTO settings VALUES (?, ?)')
  return {
    commits: new GroupCommit(db),
    note: (name: string, value = '') => void insert.run(name, value),
    names: () =>
      db
        .prepare('SELECT name FROM settings ORDER BY name')
        .all()
        .map((row) => row['name']),
    [Symbol.dispose]: () => {
      close()
      directory.remove()
    },
  }
}

describe('changes that come together', () => {
  test('share one flush, and all wait for it', async () => {
    using group = openGroup()
    const flushes = Array.from({ length: 50 }, (_, index) => {
      group.commits.apply(() => group.note(`n${index}`))
      return group.commits.flushed()
    })
    expect(group.commits.commitCount).toBe(0)
    await Promise.all(flushes)
    expect(group.commits.commitCount).toBe(1)
    expect(group.names()).toHaveLength(50)
  })

  test('are undone one by one: what fails harms no neighbour', async () => {
    using group = openGroup()
    group.commits.apply(() => group.note('before'))
    const failing = () =>
      group.commits.apply(() => {
        group.note('half')
        throw new Error('no')
      })
    expect(failing).toThrow('no')
    group.commits.apply(() => group.note('after'))
    await group.commits.flushed()
    expect(group.names()).toEqual(['after', 'before'])
  })

  test('see what is applied before the flush, in the same flush', async () => {
    using group = openGroup()
    group.commits.beforeCommit = () => {
      group.commits.beforeCommit = () => {}
      group.commits.apply(() => group.note('second'))
    }
    group.commits.apply(() => group.note('first'))
    await group.commits.flushed()
    expect(group.names()).toEqual(['first', 'second'])
    expect(group.commits.commitCount).toBe(1)
  })

  test('are refused while the database is full, and taken again when there is room', async () => {
    using group = openGroup(200_000)
    const large = 'x'.repeat(50_000)
    const fill = () => {
      for (let index = 0; index < 10; index += 1) {
        group.commits.apply(() => group.note(`n${index}`, large))
      }
    }
    expect(fill).toThrow(StorageFailure)
    await group.commits.flushed().catch(() => {})
    group.commits.apply(() => group.note('small'))
    await group.commits.flushed()
    expect(group.names()).toContain('small')
  })
})
