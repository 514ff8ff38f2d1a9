/** Lets at most `limit` pieces of work run at once; the others wait in the order in which they came. */
export interface Slots {
  use: <T>(work: () => Promise<T>) => Promise<T>
}

export function createSlots(limit: number): Slots {
  let free = limit
  const waiting: (() => void)[] = []
  const release = () => {
    const next = waiting.shift()
    if (next) next()
    else free += 1
  }
  return {
    use: async (work) => {
      if (free > 0) free -= 1
      else {
        const turn = Promise.withResolvers<void>()
        waiting.push(turn.resolve)
        await turn.promise
      }
      try {
        return await work()
      } finally {
        release()
      }
    },
  }
}
