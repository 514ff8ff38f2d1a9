import { mkdtempDisposableSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { DatabaseInUseError, DatabaseUnusableError } from '../errors.ts'
import { openDatabase } from './open-database.ts'

const maxBytes = 2 ** 30

function aDirectory() {
  const directory = mkdtempDisposableSync(join(tmpdir(), 'sahara-queue-'))
  return { file: join(directory.path, 'queue.db'), [Symbol.dispose]: () => directory.remove() }
}

describe('a database', () => {
  test('is made for its owner only, and flushes each commit', () => {
    using directory = aDirectory()
    using opened = openDatabase(directory.file, maxBytes)
    opened.db.exec("INSERT INTO settings VALUES ('a', 'b')")
    for (const suffix of ['', '-wal', '-shm']) {
      expect(statSync(`${directory.file}${suffix}`).mode & 0o777).toBe(0o600)
    }
    expect(opened.db.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
    expect(opened.db.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
  })

  test('is opened by one service at a time, and can be read meanwhile', () => {
    using directory = aDirectory()
    {
      using _ = openDatabase(directory.file, maxBytes)
      expect(() => openDatabase(directory.file, maxBytes)).toThrow(DatabaseInUseError)
      using reader = new DatabaseSync(directory.file, { readOnly: true })
      expect(reader.prepare('SELECT count(*) AS count FROM messages').get()).toEqual({ count: 0 })
    }
    openDatabase(directory.file, maxBytes)[Symbol.dispose]()
  })

  test('of a newer version is refused, and left as it is', () => {
    using directory = aDirectory()
    {
      using db = new DatabaseSync(directory.file)
      db.exec('PRAGMA user_version = 1000')
    }
    expect(() => openDatabase(directory.file, maxBytes)).toThrow(/version 1000/)
  })

  test.for([
    ['is no database', 'text'.repeat(1000)],
    ['is a directory', undefined],
  ])('that %s is refused with the path', ([, content]) => {
    using directory = aDirectory()
    const file = content === undefined ? join(directory.file, '..') : directory.file
    if (content !== undefined) writeFileSync(file, content)
    expect(() => openDatabase(file, maxBytes)).toThrow(DatabaseUnusableError)
  })
})
