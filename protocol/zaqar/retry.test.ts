import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { NotFoundError, QueueUnavailableError, QueueUnreachableError } from './errors.ts'
import { backoffDelayMs, retry } from './retry.ts'

const outage = () => new QueueUnreachableError('ping', 'refused', 'ECONNREFUSED')

describe('a backoff delay', () => {
  test('lies anywhere from 0 to a bound that doubles and is capped', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), random, (attempt, drawn) => {
        const delayMs = backoffDelayMs(attempt, () => drawn, { baseMs: 100, capMs: 60_000 })
        expect(delayMs).toBeGreaterThanOrEqual(0)
        expect(delayMs).toBeLessThanOrEqual(Math.min(60_000, 100 * 2 ** (attempt - 1)))
      }),
    )
  })

  test.for([
    [1, 499],
    [2, 999],
    [3, 1999],
    [8, 59_999],
    [100, 59_999],
  ] as const)('after attempt %i is at most %i ms by default', ([attempt, most]) => {
    expect(backoffDelayMs(attempt, () => 0.999_999)).toBe(most)
    expect(backoffDelayMs(attempt, () => 0)).toBe(0)
  })
})

describe('a call that is retried', () => {
  test('succeeds when the outage ends, however long that takes', async () => {
    const world = fakeWorld()
    let attempts = 0
    const result = retry(
      async () => {
        attempts += 1
        if (attempts < 40) throw outage()
        return 'done'
      },
      {},
      world,
    )
    // Each delay is a minute at most, and time passes as fast as the sleepers allow.
    await world.untilSleeping()
    await world.advance(40 * 60_000)
    expect(await result).toBe('done')
  })

  test('fails at once when another attempt would not help', async () => {
    const world = fakeWorld()
    const failing = retry(
      async () => {
        throw new NotFoundError('read', 'x')
      },
      {},
      world,
    )
    await expect(failing).rejects.toThrow(NotFoundError)
    expect(world.sleeperCount()).toBe(0)
  })

  test('fails with the last error when its retries are used up', async () => {
    const world = fakeWorld()
    let attempts = 0
    const attempt = async () => {
      attempts += 1
      throw outage()
    }
    const failing = retry(attempt, { retries: 2 }, world)
    failing.catch(() => undefined)
    await world.untilSleeping()
    await world.advance(60_000)
    await expect(failing).rejects.toThrow(QueueUnreachableError)
    expect(attempts).toBe(3)
  })

  test.for([
    ['as asked', 20_000, 20_000],
    ['no longer than the cap', 86_400_000, 300_000],
  ] as const)(
    'waits %s by Retry-After, and its own jitter on top',
    async ([, retryAfterMs, most]) => {
      const world = fakeWorld()
      const delays: number[] = []
      const stop = new AbortController()
      const failing = retry(
        async () => {
          throw new QueueUnavailableError('ping', 'x', { retryAfterMs })
        },
        { signal: stop.signal, onRetry: ({ delayMs }) => delays.push(delayMs) },
        world,
      )
      await world.untilSleeping()
      stop.abort(new Error('enough'))
      await expect(failing).rejects.toThrow('enough')
      expect(delays[0]).toBeGreaterThanOrEqual(most)
      expect(delays[0]).toBeLessThan(most + 500)
    },
  )

  test('stops waiting with the reason of its signal', async () => {
    const world = fakeWorld()
    const stop = new AbortController()
    const failing = retry(
      async () => {
        throw outage()
      },
      { signal: stop.signal },
      world,
    )
    await world.untilSleeping()
    stop.abort(new Error('shutting down'))
    await expect(failing).rejects.toThrow('shutting down')
    expect(world.sleeperCount()).toBe(0)
  })
})

describe('a delay that may end early', () => {
  test('does when things look better, and the back-off begins anew', async () => {
    const world = fakeWorld()
    const delays: number[] = []
    let isBack = Promise.withResolvers<void>()
    let attempts = 0
    const result = retry(
      async () => {
        attempts += 1
        if (attempts < 14) throw outage()
        return 'done'
      },
      { untilBack: async () => isBack.promise, onRetry: ({ delayMs }) => delays.push(delayMs) },
      { ...world, random: () => 0.5 },
    )
    await world.advance(120_000)
    expect(attempts).toBeLessThan(14)
    const before = attempts
    isBack.resolve()
    isBack = Promise.withResolvers()
    await expect.poll(() => attempts).toBe(before + 1)
    expect(delays.at(-2)).toBe(30_000)
    expect(delays.at(-1)).toBe(250)
    await world.advance(600_000)
    expect(await result).toBe('done')
    expect(world.sleeperCount()).toBe(0)
  })

  test('lasts as long as the server has asked', async () => {
    const world = fakeWorld()
    let attempts = 0
    const result = retry(
      async () => {
        attempts += 1
        if (attempts === 1) throw new QueueUnavailableError('ping', 'x', { retryAfterMs: 20_000 })
        return 'done'
      },
      { untilBack: async () => undefined },
      { ...world, random: () => 0 },
    )
    await world.untilSleeping()
    await world.advance(19_999)
    expect(attempts).toBe(1)
    await world.advance(1)
    expect(await result).toBe('done')
  })
})
