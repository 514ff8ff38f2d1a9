import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { boundFloor, createServerClock, narrowBounds, type OffsetBounds } from './server-clock.ts'

describe('the clock of the queue service', () => {
  test('is the guest’s own before the first answer', () => {
    const world = fakeWorld()
    expect(createServerClock(world).now()).toEqual(world.now())
    expect(createServerClock(world).offsetMs()).toBe(0)
  })

  test('stays right when the guest’s clock is a day wrong, or jumps', () => {
    const world = fakeWorld(new Date('2030-01-02T00:00:00Z'))
    const clock = createServerClock(world)
    clock.learn(new Date('2030-01-01T00:00:00Z'))
    expect(Math.abs(clock.now().getTime() - Date.parse('2030-01-01T00:00:00Z'))).toBeLessThan(1000)
    const before = clock.now()
    world.setNow(new Date('2020-01-01T00:00:00Z'))
    expect(clock.now()).toEqual(before)
    expect(clock.offsetMs()).toBeLessThan(-3 * 365 * 86_400_000)
  })

  test('is followed when it is set to another time', () => {
    const clock = createServerClock(fakeWorld())
    clock.learn(new Date('2030-01-01T00:00:00Z'))
    clock.learn(new Date('2029-06-01T00:00:00Z'))
    expect(Math.abs(clock.now().getTime() - Date.parse('2029-06-01T00:00:00Z'))).toBeLessThan(1000)
  })

  test('is never turned back behind the moment at which a command was issued', () => {
    const clock = createServerClock(fakeWorld(new Date('2030-06-01T00:00:10Z')))
    clock.learn(new Date('2030-06-01T00:00:10Z'))
    const issued = new Date('2030-06-01T00:00:00Z')
    clock.learnIssued(issued)
    clock.learnIssued(new Date('2030-05-01T00:00:00Z'))
    clock.learn(new Date('2030-01-01T00:00:00Z'))
    expect(clock.now()).toEqual(issued)
    expect(clock.offsetMs()).toBeGreaterThan(100 * 86_400_000)
  })

  const [early, late] = [new Date('2030-01-01T00:00:00Z'), new Date('2030-06-01T00:00:00Z')]
  const bounded = new Date(early.getTime() + 300_000)
  test.for([
    ['which the queue’s clock confirms', late, early, late],
    ['which the guest’s clock confirms, as the queue’s stands still', early, late, late],
    ['which no clock confirms, for five minutes only', early, early, bounded],
  ] as const)('learns from a command’s moment %s', ([, told, guest, floor]) => {
    expect(boundFloor(late, told, guest)).toEqual(floor)
  })

  test('lies within the bounds after any number of answers that came in time', () => {
    const answers = fc.array(
      fc.record({
        atMs: fc.double({ min: 0, max: 1e7, noNaN: true }),
        travelMs: fc.double({ min: 0, max: 500, noNaN: true }),
      }),
      { minLength: 1 },
    )
    fc.assert(
      fc.property(fc.integer({ min: 1e12, max: 2e12 }), answers, (offsetMs, samples) => {
        let bounds: OffsetBounds | undefined
        for (const { atMs, travelMs } of samples.toSorted((a, b) => a.atMs - b.atMs)) {
          const serverMs = Math.floor((offsetMs + atMs - travelMs) / 1000) * 1000
          bounds = narrowBounds(bounds, new Date(serverMs), atMs)
        }
        expect(bounds?.lowMs).toBeLessThanOrEqual(offsetMs + 1)
        expect(bounds?.highMs).toBeGreaterThanOrEqual(offsetMs - 1)
      }),
    )
  })

  test('is the guest’s own where the service’s answers tell none', async () => {
    const world = fakeWorld()
    const clock = createServerClock(world)
    expect(clock.isKnown()).toBe(false)
    clock.learn(undefined)
    expect(clock.isKnown()).toBe(true)
    expect(clock.now()).toEqual(world.now())
    await clock.sleepUntil(world.now(), new AbortController().signal)
  })

  test('wakes a sleeper at its moment, also beyond what one timer can wait', async () => {
    const world = fakeWorld()
    const clock = createServerClock(world)
    const { signal } = new AbortController()
    const sleeping = clock.sleepUntil(new Date(world.now().getTime() + 30 * 86_400_000), signal)
    // Nothing is due by the guest's own clock.
    expect(world.sleeperCount()).toBe(0)
    clock.learn(world.now())
    await world.untilSleeping()
    await world.advance(29 * 86_400_000)
    expect(world.sleeperCount()).toBe(1)
    await world.advance(86_400_000)
    await sleeping
    expect(world.sleeperCount()).toBe(0)
  })
})
