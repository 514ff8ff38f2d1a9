/** Random choices that a seed repeats. */
export interface SeededRandom {
  /** From 0 (inclusive) to 1 (exclusive). */
  next: () => number
  /** A whole number from `low` to `high`, both included. */
  between: (low: number, high: number) => number
  pick: <T>(list: readonly T[]) => T
  /** A key, each as often as its weight is to the sum of all. */
  weighted: <Key extends string>(weights: Readonly<Record<Key, number>>) => Key
}

export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  /** Mulberry32, by Tommy Ettinger (public domain). */
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1))
  const pick = <T>(list: readonly T[]): T => {
    const [first] = list.slice(between(0, list.length - 1))
    if (first === undefined) throw new Error('there is nothing to pick from')
    return first
  }
  return {
    next,
    between,
    pick,
    weighted: (weights) => {
      const tickets = []
      for (const key in weights) {
        for (let count = 0; count < weights[key]; count += 1) tickets.push(key)
      }
      return pick(tickets)
    },
  }
}
