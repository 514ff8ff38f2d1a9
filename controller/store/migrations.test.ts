import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { openDatabase } from './database.ts'
import { migrate } from './migrations.ts'

const Row = z.object({ id: z.string(), instance_uuid: z.string().nullable() })

test('a store with two spellings of one UUID leaves it to whoever enrolled first', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sahara-migrate-'))
  const database = openDatabase(join(directory, 'controller.db'))
  try {
    expect(migrate(database, 3)).toBe(true)
    database.script(`
      INSERT INTO clusters (id, name, created_at, return_queue, lobby_queue) VALUES ('c', 'c', 0, 'r', 'l');
      INSERT INTO instances (id, cluster_id, name, created_at, command_queue, instance_uuid, enrolled_at, deleted_at)
      VALUES ('thief', 'c', 'thief', 1, 'q1', 'AAAA', 30, NULL), ('own', 'c', 'own', 2, 'q2', 'aaaa', 20, NULL),
        ('gone', 'c', 'gone', 3, 'q3', 'aaaa', 10, 11), ('expected', 'c', 'expected', 4, 'q4', NULL, NULL, NULL),
        ('other', 'c', 'other', 5, 'q5', 'BBBB', 40, NULL);`)
    expect(migrate(database)).toBe(false)
    const rows = database.all(Row, 'SELECT id, instance_uuid FROM instances')
    expect(Object.fromEntries(rows.map((row) => [row.id, row.instance_uuid]))).toEqual({
      thief: null,
      own: 'aaaa',
      gone: 'aaaa',
      expected: null,
      other: 'bbbb',
    })
    const alerts = database.all(
      z.object({ instance_id: z.string(), code: z.string() }),
      'SELECT instance_id, code FROM alerts',
    )
    expect(alerts).toEqual([{ instance_id: 'thief', code: 'uuid-taken' }])
    expect(() =>
      database.script(`UPDATE instances SET instance_uuid = 'aaaa' WHERE id = 'expected'`),
    ).toThrow(/UNIQUE/)
  } finally {
    database.close()
    await rm(directory, { recursive: true, force: true })
  }
})
