import { describe, expect, test } from 'vitest'
import { createWakeups } from './wakeups.ts'

const never = new AbortController().signal

describe('who waits for a key', () => {
  test('is woken by it, also when it came before the waiting', async () => {
    const wakeups = createWakeups()
    using waiter = wakeups.subscribe('a')
    wakeups.wake('a')
    await waiter.next(never)
    const next = waiter.next(never)
    wakeups.wake('a')
    await next
  })

  test('sleeps through other keys, and gives up with its signal', async () => {
    const wakeups = createWakeups()
    using waiter = wakeups.subscribe('a')
    wakeups.wake('b')
    const abort = new AbortController()
    const waiting = waiter.next(abort.signal)
    abort.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })
})
