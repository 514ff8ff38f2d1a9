/**
 * Tells those who wait for something that it may have happened; they look for themselves. Nothing polls. Waking inside a
 * change of the store is right: the waiters go on in a later turn, when it is committed or undone.
 */
export interface Wakeups {
  /** Remembers each wake-up of `key` from now on, until it is disposed of. Subscribe first, then look, then wait. */
  subscribe: (key: string) => Subscription
  wake: (key: string) => void
}

/** Somebody who waits for a key. */
export interface Subscription extends Disposable {
  /**
   * Resolves when the key was woken since the last call (or since the subscription).
   *
   * @throws the signal's reason, when it is aborted first.
   */
  next: (signal: AbortSignal) => Promise<void>
}

/** What a command's waiters are woken by: its state or its output has changed. */
export function commandKey(id: string): string {
  return `command:${id}`
}

/** An empty set of waiters. */
export function createWakeups(): Wakeups {
  const listeners = new Map<string, Set<() => void>>()
  return {
    wake: (key) => {
      for (const listener of listeners.get(key) ?? []) listener()
    },
    subscribe: (key) => {
      let woken = Promise.withResolvers<void>()
      const listener = () => woken.resolve()
      const ofKey = listeners.get(key) ?? new Set()
      listeners.set(key, ofKey.add(listener))
      return {
        next: async (signal) => {
          await untilAborted(woken.promise, signal)
          woken = Promise.withResolvers<void>()
        },
        [Symbol.dispose]: () => {
          ofKey.delete(listener)
          if (ofKey.size === 0 && listeners.get(key) === ofKey) listeners.delete(key)
        },
      }
    },
  }
}

/** Waits for a promise no longer than until the signal's abort, and leaves no listener behind. */
async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
