import { describe, expect, test } from 'vitest'
import { createSlots } from './slots.ts'

describe('places for work', () => {
  test('go to the clusters in turn, and within one to what has waited longest', async () => {
    const { begun, end, ask } = aGate(1)
    ask('large', 'the first')
    for (const name of ['large-1', 'large-2', 'large-3']) ask('large', name)
    for (const name of ['small-1', 'small-2']) ask('small', name)
    ask('late', 'late-1')
    for (const name of ['the first', 'large-1', 'small-1', 'late-1', 'large-2', 'small-2']) {
      await end(name)
    }
    expect(begun).toEqual([
      'the first',
      'large-1',
      'small-1',
      'late-1',
      'large-2',
      'small-2',
      'large-3',
    ])
  })

  test('are as many as was said, and all of them one cluster’s while nobody else asks', async () => {
    const { begun, end, ask } = aGate(2)
    for (const name of ['a', 'b', 'c']) ask('only', name)
    await settled()
    expect(begun).toEqual(['a', 'b'])
    await end('b')
    expect(begun).toEqual(['a', 'b', 'c'])
  })

  test('come back from work that fails', async () => {
    const slots = createSlots(1)
    const failed = slots.use('a', async () => await Promise.reject(new Error('no')))
    await expect(failed).rejects.toThrow('no')
    await expect(slots.use('b', async () => await Promise.resolve('done'))).resolves.toBe('done')
  })
})

/** Work that says when it begins, and ends when it is told to. */
function aGate(limit: number) {
  const slots = createSlots(limit)
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const ask = (owner: string, name: string) => {
    void slots.use(owner, async () => {
      begun.push(name)
      const ended = Promise.withResolvers<void>()
      ends.set(name, ended.resolve)
      await ended.promise
    })
  }
  const end = async (name: string) => {
    await settled()
    ends.get(name)?.()
    await settled()
  }
  return { begun, end, ask }
}

/** All that can go on without the outside has gone on. */
async function settled(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
}
