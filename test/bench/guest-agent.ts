import type { World } from '../../protocol/world.ts'

/** A program that waits in a guest until somebody wants something of it: ours, or one from Debian's packages. */
export interface GuestAgent extends AsyncDisposable {
  name: string
  /** Of its package alone, without what that depends on. */
  packageBytes: number
  installedBytes: number
  /** Whether it asks somebody for work; the others wait to be reached. */
  asks: boolean
  /** Resolves when it has asked for the first time. */
  start: () => Promise<RunningAgent>
}

export interface RunningAgent {
  pid: number
  /** From its start to the first time it asked, in milliseconds. */
  startMs: number
  /** So many times it has asked so far. */
  countRequests: () => number
  stop: () => Promise<void>
}

/** Where one is opened, and below which it keeps its files. */
export interface Bench {
  directory: string
  world: World
}
