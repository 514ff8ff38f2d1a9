import type { Result } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import type { StdinVerdict } from '../operations/operation.ts'
import { redactOutput } from '../secrets/redact-output.ts'
import { removeSecrets } from '../secrets/secret-files.ts'
import { collectOutput, type OutputCollector } from './collect-output.ts'
import { errnoOf } from './command-record.ts'
import type { CommandSpec } from './command-spec.ts'
import { type ControlGroup, makeControlGroup } from './control-group.ts'
import { type Ending, watchForEnding } from './early-ending.ts'
import {
  type Launched,
  launchProgram,
  type NotLaunched,
  noSuchDirectory,
} from './launch-program.ts'
import type { PipePool } from './pipe-pool.ts'
import type { ProcessEntry } from './process-table.ts'
import { createProcessTree } from './process-tree.ts'
import { createSpoolWriter, type SpoolWriter } from './spool-writer.ts'
import { createStdinFeed, type StdinFeed } from './stdin-feed.ts'
import type { PathProbe } from './unresponsive-path.ts'

/**
 * How long output is awaited after the leader has ended, in milliseconds: a background process may hold the pipes
 * for ever.
 */
const drainLimitMs = 500
const drainSteps = 10

/** What may be let into a full spool at the end: two pipes of 64 KiB and what was read of them already. */
const lastWordsBytes = 1024 * 1024

export interface RunnerParts {
  world: World
  pipes: PipePool
  probe: PathProbe
  /** Where cgroups may be made, if anywhere. */
  groupHome: string | undefined
  /** Takes over a cgroup that still has members. */
  leaveGroup: (group: ControlGroup) => void
}

/** A command that runs in this process's care. */
export interface CommandInCare {
  ended: Promise<Result>
  written: () => number
  discard: (belowOffset: number) => void
  cancel: (graceMs: number) => void
  feedStdin: (offset: number, bytes: Uint8Array, end: boolean) => Promise<StdinVerdict>
}

/** Runs a command that has been marked as begun. What goes wrong is its result; nothing is thrown. */
export function runCommand(
  spec: CommandSpec,
  parts: RunnerParts,
  onWritten: (offset: number) => void,
): CommandInCare {
  const { world } = parts
  const ending = watchForEnding(spec, world)
  const feed = Promise.withResolvers<StdinFeed>()
  let collector: OutputCollector | undefined
  let lostOutput: Partial<Result> = {}
  const spool = createSpoolWriter({
    directory: spec.directory,
    limitBytes: spec.spoolLimitBytes,
    segmentBytes: spec.segmentBytes,
    keep: spec.keep,
    onWritten,
    onRoom: () => collector?.resume(),
    onFailure: (error) => {
      const failure = spoolFailure(error)
      lostOutput = failure
      ending.demand(failure, 0)
    },
  })

  const live = async (): Promise<Result> => {
    const startedAt = world.now()
    const group = makeControlGroup(parts.groupHome, spec.id)
    try {
      const launched = await launchProgram(spec, parts.pipes, group, parts.probe)
      feed.resolve(createStdinFeed(launched.ok ? launched.stdin : null))
      if (!launched.ok) return { ...blank(startedAt, world), ...describeFailure(launched) }
      const filter = spec.secrets && redactOutput(spec.secrets.values, world, spool.append)
      const into = { append: filter?.append ?? spool.append, isFull: spool.isFull }
      collector = collectOutput(outputsOf(launched), into, ending.noteOutput)
      const lived = await liveOut({ launched, spec, group, world, ending, collector, spool })
      filter?.end()
      const tallies = await spool.finish()
      const usage = group?.wasJoined() ? { resources: group.usage() } : {}
      // It may have ended before anybody knew that its output is lost: it must not pass for one that printed nothing.
      const lost = ending.isDemanded() ? {} : lostOutput
      return { ...blank(startedAt, world), ...tallies, ...lived, ...lost, ...usage }
    } finally {
      if (spec.secrets) removeSecrets([spec.secrets.home], spec.id)
      if (group && !group.remove()) parts.leaveGroup(group)
    }
  }

  // Whatever became of it: a timer that stays would keep this process for as long as the command had.
  const settle = () => {
    ending.stopWatching()
    feed.resolve(createStdinFeed(null))
  }

  return {
    ended: live().finally(settle),
    written: spool.written,
    discard: spool.discard,
    cancel: (graceMs) => ending.demand({ state: 'cancelled' }, graceMs),
    feedStdin: async (offset, bytes, end) => (await feed.promise).feed(offset, bytes, end),
  }
}

interface Life {
  launched: Launched
  spec: CommandSpec
  group: ControlGroup | undefined
  world: World
  ending: Ending
  collector: OutputCollector
  spool: SpoolWriter
}

type Lived = Pick<Result, 'state' | 'survivors'> & Partial<Result>

/** From the start of the program until nothing of it is waited for any more. */
async function liveOut(life: Life): Promise<Lived> {
  const { launched, spec, group, world, ending, collector, spool } = life
  const tree = createProcessTree({
    commandId: spec.id,
    leader: launched.pid,
    group,
    leaderHoldsTerminal: spec.pty,
  })
  const bornAt = world.monotonicMs()
  const exit = untilExit(launched)

  const early = ending.watch(tree, collector.isPaused)
  let first = await Promise.race([exit, early])
  // TERM makes it exit; the result still says who sent it.
  if (ending.isDemanded()) first = await early
  ending.stopWatching()
  let survivors: ProcessEntry[]
  if (first.kind === 'exit') {
    const wasShort = world.monotonicMs() - bornAt < 1000
    const isEmpty = group?.wasJoined() === true && group.pids().length === 0
    if (isEmpty) survivors = []
    else survivors = wasShort ? tree.membersOfShortLife() : tree.members()
  } else {
    survivors = first.survivors
  }

  spool.allowMore(lastWordsBytes)
  collector.resume()
  await drain(collector, world)
  collector.stop()
  launched.stdin?.destroy()

  // After a KILL that reached all, the leader's exit is certain; a survivor's may never come.
  const exited = first.kind === 'exit' || survivors.length === 0 ? await exit : null
  const how = exited === null ? {} : describeExit(exited)
  const named = survivors.slice(0, 32).map(({ pid, program }) => ({ pid, program }))
  if (first.kind === 'early') return { ...how, ...first.demand, survivors: named }
  if (launched.couldNotEnter()) {
    return { ...describeFailure(noSuchDirectory(spec.cwd ?? '')), survivors: named }
  }
  const state = how.exitCode === 0 ? 'succeeded' : 'failed'
  return { state, ...how, survivors: named }
}

interface Exit {
  kind: 'exit'
  code: number | null
  signal: NodeJS.Signals | null
}

function untilExit({ child }: Launched): Promise<Exit> {
  const { promise, resolve } = Promise.withResolvers<Exit>()
  child.once('exit', (code, signal) => resolve({ kind: 'exit', code, signal }))
  return promise
}

function describeExit({ code, signal }: Exit): Pick<Result, 'exitCode' | 'signal'> {
  return { ...(code === null ? {} : { exitCode: code }), ...(signal === null ? {} : { signal }) }
}

/**
 * Waits for the rest of the output. In steps, because between two timers Node reads what the pipes hold: on a machine that
 * gave us no time, the whole limit may be over at once, with the program's last words still unread.
 */
async function drain(collector: OutputCollector, world: World): Promise<void> {
  const over = new AbortController()
  const drained = collector.drained.then(() => over.abort())
  for (let step = 0; step < drainSteps && !over.signal.aborted; step += 1) {
    const limit = world.sleep(drainLimitMs / drainSteps, over.signal).catch(() => {})
    await Promise.race([drained, limit])
  }
  over.abort()
}

function outputsOf({ stdout, stderr }: Launched) {
  return [['stdout', stdout] as const, ...(stderr === null ? [] : [['stderr', stderr] as const])]
}

/** A result with nothing in it yet. */
function blank(startedAt: Date, world: World) {
  return {
    startedAt,
    endedAt: world.now(),
    outputBytes: 0,
    streams: {},
    survivors: [],
    answer: {},
  } satisfies Partial<Result>
}

function describeFailure(failure: NotLaunched): Pick<Result, 'state' | 'reason' | 'exitCode'> {
  return {
    state: 'failed',
    reason: { code: failure.reason, message: failure.message.slice(0, 4096) },
    ...(failure.exitCode === undefined ? {} : { exitCode: failure.exitCode }),
  }
}

function spoolFailure(error: unknown): Pick<Result, 'state' | 'reason'> {
  const code = errnoOf(error) ?? 'unknown error'
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  const message = isFull
    ? 'the disk filled up with output; free some space, or print less'
    : `output could not be written to the disk: ${code}`
  return { state: 'failed', reason: { code: isFull ? 'no-space' : 'spool-failed', message } }
}
