import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { carryOutFault, claimOverMs } from './carry-out-fault.ts'
import { type ChaosCluster, startChaosCluster } from './chaos-cluster.ts'
import { noteDisturbances } from './disturbances.ts'
import type { FaultKind } from './fault.ts'
import { type Ending, judgeEnding } from './judge-ending.ts'
import { carryLoad, type Ended, insist } from './load.ts'
import { type PlanOptions, planChaos } from './plan.ts'
import { feedBytes, fileOf, type PlannedCommand } from './planned-command.ts'

export interface ChaosOptions extends PlanOptions {
  /** Open commands of one instance at once. */
  window: number
  /** The run fails when it has not ended by then. */
  minutes: number
  /** Ends the run early. */
  stop: AbortSignal
  /** Told now and then how far it is. */
  onProgress?: (ended: number, faults: number) => void
}

/** What a run has shown. */
export interface ChaosOutcome {
  commands: number
  endings: Record<string, number>
  marksOnce: number
  marksNever: number
  marksRepeated: number
  outputBytes: number
  faults: Partial<Record<FaultKind, number>>
  /** Requests that met a fault of the network. */
  requestsHit: number
  faultsUnmet: number
  clockJumps: number
  seconds: number
  /** All that must not be; empty when everything is right. */
  problems: string[]
}

/**
 * So long after a fault, or without any end, the queue's clock is moved past the claims that somebody took with him, in
 * milliseconds. Otherwise each would cost a minute.
 */
const strandedPauseMs = 1000
const stallMs = 2000

/** Runs a cluster under load while faults happen to it, and judges every command's end. */
export async function runChaos(directory: string, options: ChaosOptions): Promise<ChaosOutcome> {
  const startedMs = performance.now()
  const plan = planChaos(options)
  const { instances } = options
  const smallDisks = !options.without.includes('full-disk')
  await using cluster = await startChaosCluster(directory, { instances, smallDisks })
  await cluster.api.storeContent(
    (async function* () {
      yield feedBytes
    })(),
  )
  const disturbances = noteDisturbances(() => performance.now())
  const seen: { ended: Ended; disturbances: Ending['disturbances'] }[] = []
  const faults: ChaosOutcome['faults'] = {}
  const underWay = new Set<Promise<void>>()
  const giveUp = AbortSignal.timeout(options.minutes * 60_000)
  const failed = new AbortController()
  const signal = AbortSignal.any([giveUp, failed.signal, options.stop])
  let nextFault = 0
  let clockJumps = 0
  let lastEndMs = performance.now()
  let strandedMs = Number.POSITIVE_INFINITY

  const letFaultsHappen = (): void => {
    for (;;) {
      const fault = plan.faults[nextFault]
      if (!fault || fault.afterEnded > seen.length) return
      nextFault += 1
      strandedMs = performance.now()
      faults[fault.kind] = (faults[fault.kind] ?? 0) + 1
      const happening = carryOutFault(fault, cluster, disturbances)
        .catch((error: unknown) => failed.abort(error))
        .finally(() => underWay.delete(happening))
      underWay.add(happening)
    }
  }
  const watch = new AbortController()
  const helpStalled = async (): Promise<void> => {
    while (!watch.signal.aborted) {
      await sleep(200, undefined, { signal: watch.signal })
      const now = performance.now()
      if (now < strandedMs + strandedPauseMs && now < lastEndMs + stallMs) continue
      lastEndMs = now
      strandedMs = Number.POSITIVE_INFINITY
      clockJumps += 1
      await cluster.queue.shift(claimOverMs)
    }
  }
  const helping = helpStalled().catch((error: unknown) => {
    if (!watch.signal.aborted) failed.abort(error)
  })

  const problems: string[] = []
  try {
    await carryLoad(cluster, plan.commands, {
      window: options.window,
      signal,
      onEnded: (ended) => {
        const { instance } = ended.command
        seen.push({ ended, disturbances: disturbances.since(instance, ended.postedMs) })
        lastEndMs = performance.now()
        options.onProgress?.(seen.length, nextFault)
        letFaultsHappen()
      },
    })
  } catch (error) {
    const why = giveUp.aborted ? `it took more than ${options.minutes} minutes` : String(error)
    problems.push(`the run ended early: ${why}`, ...(await describeOpen(cluster)))
  } finally {
    watch.abort()
    await helping
    await Promise.all(underWay)
  }
  // What hides behind claims, in the proxy or in a delay comes out now; it must not change anything.
  await cluster.queue.shift(claimOverMs)
  await sleep(3000)
  await cluster.queue.shift(claimOverMs)
  await sleep(1000)

  const effects = await countEffects(cluster, plan.commands)
  const endings: Record<string, number> = {}
  let outputBytes = 0
  const patience = AbortSignal.timeout(60_000 + 20 * seen.length)
  for (const { ended, disturbances: excuses } of seen) {
    const { command, record, stdout } = ended
    const later = await insist(() => cluster.api.getCommand(record.id), patience)
    const ending: Ending = {
      state: record.state,
      stateLater: later.state,
      exitCode: record.result?.exitCode,
      reason: record.result?.reason?.code,
      outputComplete: record.outputComplete,
      stdout,
      effects: effects.get(command.serial) ?? 0,
      disturbances: excuses,
    }
    endings[record.state] = (endings[record.state] ?? 0) + 1
    outputBytes += stdout.length
    for (const problem of judgeEnding(command, ending)) {
      const about = `command ${command.serial} (${command.kind}, ${record.id}, worker-${command.instance})`
      const why = record.result?.reason?.message ?? ''
      problems.push(
        `${about} ${problem} ${why}; meanwhile: ${[...excuses].join(', ') || 'nothing'}`,
      )
    }
  }
  if (seen.length < plan.commands.length) {
    problems.push(`${plan.commands.length - seen.length} commands have no final state`)
  }
  for (const { agent } of cluster.guests) problems.push(...ownEnds(agent.ownEnds, smallDisks))
  problems.push(...cluster.controller.ownEnds)
  const counts = plan.commands.map(({ serial }) => effects.get(serial) ?? 0)
  return {
    commands: plan.commands.length,
    endings,
    marksOnce: counts.filter((count) => count === 1).length,
    marksNever: counts.filter((count) => count === 0).length,
    marksRepeated: counts.filter((count) => count > 1).length,
    outputBytes,
    faults,
    requestsHit: cluster.proxies.agent.met() + cluster.proxies.controller.met(),
    faultsUnmet: cluster.proxies.agent.waiting() + cluster.proxies.controller.waiting(),
    clockJumps,
    seconds: Math.round((performance.now() - startedMs) / 1000),
    problems,
  }
}

/** On a full disk an agent cannot start; systemd starts it again. */
function ownEnds(ends: readonly string[], smallDisks: boolean): string[] {
  return ends.filter((end) => !(smallDisks && /full|ENOSPC|no space/i.test(end)))
}

/** How often each command took effect. */
async function countEffects(
  { guests }: ChaosCluster,
  commands: readonly PlannedCommand[],
): Promise<Map<number, number>> {
  const counts = new Map<number, number>()
  const count = (serial: number): void => void counts.set(serial, (counts.get(serial) ?? 0) + 1)
  const writes = new Map(commands.map((command) => [String(command.serial), command]))
  for (const { effects } of guests) {
    const marks = (await readFile(effects.marks, 'utf8')).split('\n').filter(Boolean)
    for (const mark of marks) count(Number(mark))
    for (const name of await readdir(effects.files)) {
      const command = writes.get(name)
      const bytes = await readFile(join(effects.files, name))
      // Half a file is no effect of ours: it would count as none.
      if (command && bytes.equals(fileOf(command))) count(command.serial)
    }
  }
  return counts
}

async function describeOpen({ api, guests }: ChaosCluster): Promise<string[]> {
  const { commands } = await insist(
    () => api.listCommands({ limit: 200 }),
    AbortSignal.timeout(10_000),
  )
  const open = commands.filter(({ ended, outputComplete }) => !ended || !outputComplete)
  return [
    ...open
      .slice(0, 20)
      .map(
        ({ id, instance, state, outputBytes, outputComplete }) =>
          `open: ${id} on ${instance}: ${state}, ${outputBytes} bytes, complete: ${outputComplete}`,
      ),
    ...guests.flatMap(({ agent }) => agent.ownEnds),
  ]
}
