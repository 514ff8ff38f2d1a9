import type { World } from '../../protocol/world.ts'

export interface IdleExit {
  /** To be called whenever `isIdle` or `hasCommands` may have changed. */
  check: () => void
  /** Ends as soon as no command is in care, whoever is connected. */
  hurry: () => void
  /** Resolves when there is no reason to stay. */
  reached: Promise<void>
}

/** How long a new runner waits at least for the agent that started it, in milliseconds. */
const firstAgentMs = 10_000

/** Waits until nothing was to do for `idleMs` milliseconds without a break. */
export function exitWhenIdle(
  service: { isIdle: () => boolean; hasCommands: () => boolean },
  idleMs: number,
  world: World,
): IdleExit {
  const reached = Promise.withResolvers<void>()
  let isHurried = false
  let patienceMs = Math.max(idleMs, firstAgentMs)
  let waiting: AbortController | undefined

  const wait = async (signal: AbortSignal) => {
    const ms = patienceMs
    patienceMs = idleMs
    await world.sleep(ms, signal)
    if (service.isIdle()) reached.resolve()
  }

  const check = () => {
    waiting?.abort()
    if (isHurried && !service.hasCommands()) reached.resolve()
    if (!service.isIdle()) return
    waiting = new AbortController()
    wait(waiting.signal).catch(() => {})
  }

  return {
    check,
    reached: reached.promise,
    hurry: () => {
      isHurried = true
      check()
    },
  }
}
