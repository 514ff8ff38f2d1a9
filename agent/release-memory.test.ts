import { expect, test, vi } from 'vitest'
import { releaseMemory } from './release-memory.ts'

const never = new AbortController().signal

test('an agent that has started gives memory back, but not before', async () => {
  const collect = vi.fn()
  const settled = Promise.withResolvers<void>()
  const released = releaseMemory(collect, { sleep: () => settled.promise }, never)
  expect(collect).not.toHaveBeenCalled()
  settled.resolve()
  await released
  expect(collect).toHaveBeenCalledOnce()
})

test('where V8 offers nothing for it, nothing is waited for', async () => {
  await releaseMemory(undefined, { sleep: () => Promise.reject(new Error('slept')) }, never)
})
