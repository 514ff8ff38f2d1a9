/** All that our code wants from outside, but for files, processes and connections. Production builds one; every test builds its own. */
export interface World {
  /** The wall clock. */
  now: () => Date
  /** A clock that never jumps, in milliseconds from an arbitrary point. */
  monotonicMs: () => number
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it is aborted. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>
  /** A number from 0 (inclusive) to 1 (exclusive), for jitter; never for secrets. */
  random: () => number
  /** Cryptographically strong random bytes, for keys, secrets and ids. */
  randomBytes: (size: number) => Uint8Array
}
