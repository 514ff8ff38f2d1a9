import { describe, expect, test } from 'vitest'
import type { ClaimResult } from '../protocol/zaqar/claims.ts'
import { QueueUnavailableError, QueueUnreachableError } from '../protocol/zaqar/errors.ts'
import { fakeWorld } from '../test/fake-world.ts'
import { createAdaptiveWait } from './adaptive-wait.ts'

const nothing: ClaimResult = {
  claimId: undefined,
  messages: [],
  waited: true,
  serverTime: undefined,
}

/** What a path makes of a claim that may be held so long: how many seconds pass, and whether an answer comes. */
type Path = (waitSeconds: number) => { seconds: number; error?: Error }

const open: Path = (waitSeconds) => ({ seconds: waitSeconds })
const proxyWithLimit =
  (limitSeconds: number): Path =>
  (waitSeconds) =>
    waitSeconds < limitSeconds
      ? { seconds: waitSeconds }
      : { seconds: limitSeconds, error: new QueueUnavailableError('claim', '504') }
/** It forgets a connection without a word; then the client's own deadline ends the request. */
const silentAfter =
  (limitSeconds: number): Path =>
  (waitSeconds) =>
    waitSeconds < limitSeconds
      ? { seconds: waitSeconds }
      : {
          seconds: waitSeconds + 30,
          error: new QueueUnreachableError('claim', 'timeout', 'no whole answer'),
        }
/** A proxy before a queue service that hangs, or one that never answers at all. */
const hung =
  (seconds: number): Path =>
  () => ({ seconds, error: new QueueUnavailableError('claim', '504') })
const busy: Path = () => ({ seconds: 1 })
const cutAfter =
  (seconds: number): Path =>
  () => ({ seconds, error: new QueueUnreachableError('claim', 'reset', 'ECONNRESET') })

/** An agent that has nothing to do. Without jitter, unless `random` says otherwise. */
function idleAgent({
  longestSeconds = 300,
  random = () => 0,
}: {
  longestSeconds?: number
  random?: () => number
} = {}) {
  const { monotonicMs, advance } = fakeWorld()
  const wait = createAdaptiveWait(longestSeconds, { monotonicMs, random })
  /** Claims once; says for how long it asked. */
  const claim = async (path: Path, endpoint = 'https://queue'): Promise<number> => {
    let asked = 0
    const ask = async (waitSeconds: number) => {
      asked = waitSeconds
      const { seconds, error } = path(waitSeconds)
      await advance(seconds * 1000)
      if (error !== undefined) throw error
      return nothing
    }
    await wait.claim(endpoint, ask).catch(() => undefined)
    return asked
  }
  const claimTimes = async (count: number, path: Path): Promise<number[]> => {
    const asked: number[] = []
    while (asked.length < count) asked.push(await claim(path))
    return asked
  }
  /** How many of the claims of so many hours were cut. */
  const cutsWithin = async (hours: number, path: Path): Promise<number> => {
    const endMs = monotonicMs() + hours * 3_600_000
    let cuts = 0
    const counted: Path = (waitSeconds) => {
      const fate = path(waitSeconds)
      if (fate.error !== undefined) cuts += 1
      return fate
    }
    while (monotonicMs() < endMs) await claim(counted)
    return cuts
  }
  return { claim, claimTimes, cutsWithin }
}

describe('the wait of an idle agent', () => {
  test('doubles with each answer in order, up to the longest', async () => {
    expect(await idleAgent().claimTimes(6, open)).toEqual([30, 60, 120, 240, 300, 300])
    expect(await idleAgent({ longestSeconds: 20 }).claimTimes(2, open)).toEqual([20, 20])
    expect(await idleAgent({ longestSeconds: 0 }).claimTimes(2, open)).toEqual([0, 0])
  })

  test('is jittered, so that agents which booted together part', async () => {
    const asked = await idleAgent({ random: () => 0.999 }).claimTimes(5, open)
    expect(asked).toEqual([28, 55, 109, 217, 271])
  })

  test('stays as it is when an answer comes before its time', async () => {
    const agent = idleAgent()
    expect(await agent.claimTimes(3, busy)).toEqual([30, 30, 30])
    await agent.claimTimes(2, open)
    expect(await agent.claimTimes(2, busy)).toEqual([120, 120])
  })

  test('settles below the limit of a proxy that says so', async () => {
    const agent = idleAgent()
    expect(await agent.claimTimes(5, proxyWithLimit(60))).toEqual([30, 60, 30, 50, 50])
  })

  test('settles at what it has seen to work where nobody says so', async () => {
    const agent = idleAgent()
    const asked = await agent.claimTimes(7, silentAfter(100))
    expect(asked).toEqual([30, 60, 120, 30, 60, 60, 60])
  })

  test('settles also where the first wait is too long already', async () => {
    const agent = idleAgent()
    expect(await agent.claimTimes(4, proxyWithLimit(20))).toEqual([30, 16, 16, 16])
  })

  test.for([
    ['says so', proxyWithLimit(60)],
    ['does not say so', silentAfter(60)],
  ] as const)('tries a limit again ever more rarely, where the path %s', async ([, path]) => {
    const agent = idleAgent()
    expect(await agent.cutsWithin(24, path)).toBeLessThan(10)
    expect(await agent.cutsWithin(24, path)).toBeLessThan(3)
  })

  test('grows again when a limit has gone', async () => {
    const agent = idleAgent()
    await agent.claimTimes(4, proxyWithLimit(60))
    await agent.cutsWithin(1, open)
    expect(await agent.claim(open)).toBe(300)
  })

  test('climbs anew after an accident, and takes it for no limit', async () => {
    const agent = idleAgent()
    await agent.claimTimes(6, open)
    await agent.claim(cutAfter(100))
    expect(await agent.claimTimes(5, open)).toEqual([30, 60, 120, 240, 300])
  })

  test('learns nothing from an outage', async () => {
    const agent = idleAgent()
    await agent.claimTimes(4, open)
    expect(await agent.claimTimes(3, cutAfter(10))).toEqual([300, 300, 300])
  })

  test.for([
    ['is silent', silentAfter(0)],
    ['answers 504 after 50 s', hung(50)],
    ['answers 504 after 90 s', hung(90)],
  ] as const)('is what it was soon after an outage that %s', async ([, outage]) => {
    for (const before of [0, 1, 2, 6]) {
      const agent = idleAgent()
      await agent.claimTimes(before, open)
      await agent.claimTimes(7, outage)
      expect(await agent.claim(open)).toBeGreaterThanOrEqual(30)
      await agent.cutsWithin(1, open)
      expect(await agent.claim(open)).toBe(300)
    }
  })

  test.for([
    [50, 41],
    [60, 50],
    [90, 75],
  ] as const)('settles below a limit of %i s', async ([limit, settled]) => {
    const agent = idleAgent()
    await agent.claimTimes(5, proxyWithLimit(limit))
    expect(await agent.claimTimes(2, proxyWithLimit(limit))).toEqual([settled, settled])
  })

  test('never falls below 15 s, but where it is configured so', async () => {
    const agent = idleAgent()
    await agent.claimTimes(20, cutAfter(15))
    expect(await agent.claim(open)).toBe(15)
    const still = idleAgent({ longestSeconds: 0 })
    await still.claimTimes(7, silentAfter(0))
    expect(await still.claimTimes(2, open)).toEqual([0, 0])
  })

  test('begins anew at another endpoint', async () => {
    const agent = idleAgent()
    await agent.claimTimes(4, open)
    expect(await agent.claim(open, 'https://other')).toBe(30)
  })
})
