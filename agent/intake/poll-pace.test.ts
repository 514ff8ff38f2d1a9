import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { firstPace, nextPoll, type PollOutcome, spreadOut } from './poll-pace.ts'

const options = { ceilingMs: 15_000, random: 1 }
const empty: PollOutcome = { messages: 0, waited: false, tookMs: 3, expectsMore: false }

function delaysAfter(count: number, outcome: PollOutcome): number[] {
  let pace = firstPace
  return Array.from({ length: count }, () => {
    const next = nextPoll(pace, outcome, options)
    pace = next.pace
    return next.delayMs
  })
}

describe('the pace of polling', () => {
  test('backs off to its ceiling on a server that does not wait', () => {
    const expected = [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]
    expect(delaysAfter(8, empty)).toEqual(expected)
  })

  test('is immediate after activity, and starts anew then', () => {
    expect(nextPoll({ emptyInRow: 9 }, { ...empty, messages: 1 }, options)).toEqual({
      pace: firstPace,
      delayMs: 0,
    })
  })

  test('is immediate on a server that waits', () => {
    expect(delaysAfter(2, { ...empty, waited: true, tookMs: 30_000 })).toEqual([0, 0])
  })

  test('does not spin on a server that only says it waits', () => {
    expect(delaysAfter(3, { ...empty, waited: true, tookMs: 1 })).toEqual([250, 500, 1000])
  })

  test('stays quick while more is coming', () => {
    expect(delaysAfter(4, { ...empty, expectsMore: true })).toEqual([250, 500, 500, 500])
  })

  test('is jittered over the whole range', () => {
    expect(nextPoll({ emptyInRow: 9 }, empty, { ...options, random: 0.5 }).delayMs).toBe(7500)
    expect(nextPoll({ emptyInRow: 9 }, empty, { ...options, random: 0 }).delayMs).toBe(0)
  })
})

describe('a thousand agents that come to a server which does not wait', () => {
  test('in one moment never knock together', () => {
    const arrivals = simulate(120)
    const total = arrivals.reduce((sum, count) => sum + count, 0)
    // A pause is 7.5 s in the middle: 13.3 requests in a tenth of a second.
    expect(total / arrivals.length).toBeGreaterThan(11)
    expect(total / arrivals.length).toBeLessThan(15)
    expect(Math.max(...arrivals)).toBeLessThan(40)
    expect(Math.max(...arrivals.slice(0, 20))).toBeLessThan(30)
  })
})

/** How many requests the server gets in each tenth of a second, for so long. */
function simulate(seconds: number): number[] {
  const { random } = fakeWorld()
  const arrivals = Array.from({ length: seconds * 10 }, () => 0)
  for (let agent = 0; agent < 1000; agent += 1) {
    let { pace, delayMs } = spreadOut({ ...options, random: random() })
    let atMs = delayMs
    while (atMs < seconds * 1000) {
      const tenth = Math.floor(atMs / 100)
      arrivals[tenth] = (arrivals[tenth] ?? 0) + 1
      const next = nextPoll(pace, empty, { ...options, random: random() })
      pace = next.pace
      delayMs = next.delayMs
      atMs += delayMs
    }
  }
  return arrivals
}
