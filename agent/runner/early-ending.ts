import type { Result } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import type { CommandSpec } from './command-spec.ts'
import type { ProcessEntry } from './process-table.ts'
import { endProcessTree, type ProcessTree } from './process-tree.ts'
import { sleepLong } from './sleep-long.ts'

/** What the result of a command that was ended early says. */
type Demand = Pick<Result, 'state' | 'reason'>

interface EarlyEnd {
  kind: 'early'
  demand: Demand
  survivors: ProcessEntry[]
}

/** Whether, and why, a command must end before its program does. */
export interface Ending {
  /** Ends it early. The first demand names the result; a later one can only shorten the grace period. */
  demand: (demand: Demand, graceMs: number) => void
  /** The program printed something. */
  noteOutput: () => void
  /** Resolves when the command had to be ended, and its tree has been. `isHeldBack`: we keep it from printing. */
  watch: (tree: ProcessTree, isHeldBack: () => boolean) => Promise<EarlyEnd>
  /** Whether anybody demanded its end: then a program that ends by itself meanwhile did not. */
  isDemanded: () => boolean
  /** Nothing is demanded any more, and no timer is left; to be called even where nothing was begun. */
  stopWatching: () => void
}

/** The deadline counts from now, timeout and silence from `watch()`. */
export function watchForEnding(spec: CommandSpec, world: World): Ending {
  const beganAt = world.monotonicMs()
  const hardEndAt = beganAt + spec.deadlineMs
  const demanded = Promise.withResolvers<Demand>()
  const over = new AbortController()
  let graceEndsAt = Number.POSITIVE_INFINITY
  let lastOutputAt = beganAt
  let isDemanded = false

  const demand = (wanted: Demand, graceMs: number) => {
    if (over.signal.aborted) return
    isDemanded = true
    graceEndsAt = Math.min(graceEndsAt, world.monotonicMs() + graceMs, hardEndAt)
    demanded.resolve(wanted)
  }

  const endAfter = async (ms: number, wanted: Demand) => {
    await sleepLong(world, ms, over.signal)
    demand(wanted, spec.graceMs)
  }

  const endWhenSilent = async (silenceMs: number, isHeldBack: () => boolean) => {
    lastOutputAt = world.monotonicMs()
    for (;;) {
      const restMs = lastOutputAt + silenceMs - world.monotonicMs()
      if (restMs <= 0) break
      await sleepLong(world, restMs, over.signal)
      if (isHeldBack()) lastOutputAt = world.monotonicMs()
    }
    demand(timedOut('silence', `it printed nothing for ${silenceMs} ms`), spec.graceMs)
  }

  start(endAfter(termBeforeDeadlineMs(spec), timedOut('deadline', 'its deadline has come')))

  return {
    demand,
    isDemanded: () => isDemanded,
    noteOutput: () => {
      lastOutputAt = world.monotonicMs()
    },
    stopWatching: () => over.abort('over'),
    watch: async (tree, isHeldBack) => {
      start(endAfter(spec.timeoutMs, timedOut('timeout', `it ran for ${spec.timeoutMs} ms`)))
      if (spec.silenceMs !== null) start(endWhenSilent(spec.silenceMs, isHeldBack))
      const wanted = await demanded.promise
      const survivors = await endProcessTree(tree, () => graceEndsAt, world)
      return { kind: 'early', demand: wanted, survivors }
    },
  }
}

/** Timers reject when they are called off. */
function start(timer: Promise<void>): void {
  timer.catch(() => {})
}

/**
 * By its deadline a command has ended, whatever it does: KILL comes then, and TERM the grace period before; but a
 * short-lived command keeps nine tenths of its time.
 */
function termBeforeDeadlineMs({ deadlineMs, graceMs }: CommandSpec): number {
  return deadlineMs - Math.min(graceMs, deadlineMs / 10)
}

function timedOut(code: string, why: string): Demand {
  return { state: 'timed-out', reason: { code, message: `${why}, and was ended` } }
}
