import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../test/fake-world.ts'
import { startAlarm } from './alarm.ts'

const log = pino({ level: 'silent' })

describe('an alarm', () => {
  test('rings when it is due, and sleeps otherwise', async () => {
    const world = fakeWorld()
    const dues = [new Date(world.now().getTime() + 5000)]
    const rings: number[] = []
    await using _ = startAlarm(
      {
        name: 'test',
        nextDueAt: () => dues[0],
        ring: async () => {
          rings.push(world.monotonicMs())
          dues.shift()
        },
      },
      world,
      log,
    )
    await world.advance(4999)
    expect(rings).toEqual([])
    await world.advance(10_000)
    expect(rings).toEqual([5000])
  })

  test('is set earlier by something new', async () => {
    const world = fakeWorld()
    let dueAt: Date | undefined
    let rang = 0
    await using alarm = startAlarm(
      {
        name: 'test',
        nextDueAt: () => dueAt,
        ring: async () => {
          rang += 1
          dueAt = undefined
        },
      },
      world,
      log,
    )
    await world.untilSleeping()
    dueAt = new Date(world.now().getTime() + 1000)
    alarm.set(dueAt)
    await world.advance(1000)
    expect(rang).toBe(1)
  })

  test('rings again when its work failed, with some patience', async () => {
    const world = fakeWorld()
    let attempts = 0
    let dueAt: Date | undefined = world.now()
    await using _ = startAlarm(
      {
        name: 'test',
        nextDueAt: () => dueAt,
        ring: async () => {
          attempts += 1
          if (attempts < 3) throw new Error('not yet')
          dueAt = undefined
        },
      },
      world,
      log,
    )
    await world.untilSleeping()
    expect(attempts).toBe(1)
    await world.advance(60_000)
    expect(attempts).toBe(3)
  })
})
