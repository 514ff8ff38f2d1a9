import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { MessageIds } from './message-ids.ts'
import { migrations } from './migrations.ts'

function aDatabase(): DatabaseSync {
  const db = new DatabaseSync(':memory:')
  for (const step of migrations) db.exec(step)
  return db
}

describe('ids of messages', () => {
  test('are UUIDs of version 7', () => {
    using db = aDatabase()
    expect(new MessageIds(db, fakeWorld()).next()).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
  })

  test('rise, however the clock jumps and however often the service starts again', () => {
    const step = fc.record({
      jumpMs: fc.integer({ min: -100_000, max: 100_000 }),
      restart: fc.boolean(),
      count: fc.constantFrom(1, 2, 5000),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
        using db = aDatabase()
        const world = fakeWorld()
        let ids = new MessageIds(db, world)
        let last = ids.next()
        for (const { jumpMs, restart, count } of steps) {
          world.setNow(new Date(world.now().getTime() + jumpMs))
          if (restart) ids = new MessageIds(db, world)
          for (let made = 0; made < count; made += 1) {
            const id = ids.next()
            expect(id > last).toBe(true)
            last = id
          }
        }
      }),
      { numRuns: 30 },
    )
  })
})
