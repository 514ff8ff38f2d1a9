/**
 * Lets at most `limit` pieces of work run at once. A free place goes to the owner (a cluster) whose turn it is, and there to
 * the piece that has waited longest: a cluster with ten thousand pieces delays another's by one piece, not by ten thousand.
 */
export interface Slots {
  use: <T>(owner: string, work: () => Promise<T>) => Promise<T>
}

export function createSlots(limit: number): Slots {
  let free = limit
  // Only owners for whom something waits, the one whose turn it is first.
  const lines = new Map<string, (() => void)[]>()

  const join = async (owner: string): Promise<void> => {
    const turn = Promise.withResolvers<void>()
    const line = lines.get(owner) ?? []
    line.push(turn.resolve)
    lines.set(owner, line)
    await turn.promise
  }
  const release = (): void => {
    const [next] = lines
    if (next === undefined) {
      free += 1
      return
    }
    const [owner, line] = next
    const begin = line.shift()
    lines.delete(owner)
    if (line.length > 0) lines.set(owner, line)
    begin?.()
  }
  return {
    use: async (owner, work) => {
      if (free > 0) free -= 1
      else await join(owner)
      try {
        return await work()
      } finally {
        release()
      }
    },
  }
}
