import { arch, hostname, platform, release, totalmem } from 'node:os'
import { agentVersion } from './agent-version.ts'
import type { ServerClock } from './clock/server-clock.ts'
import type { Journal } from './journal/journal.ts'
import type { Desk } from './lanes/held-command.ts'

/** What an agent knows of itself. */
export interface Facts {
  agentVersion: string
  /** Since the agent started. */
  uptimeSeconds: number
  hostName: string
  bootId: string
  platform: string
  memoryBytes: number
  nodeVersion: string
  /** Ids of the commands that run now, 1024 at most. */
  running: string[]
  /** Commands that are taken and wait for their turn or their content. */
  waiting: number
  /** Commands whose result the return queue has not got yet: the depth of the journal. */
  owed: number
  /** Guest clock minus server clock. */
  clockOffsetMs: number
}

const runningLimit = 1024

export function gatherFacts({
  desk,
  journal,
  clock,
  bootId,
  uptimeSeconds,
}: {
  desk: Desk
  journal: Pick<Journal, 'owedCount'>
  clock: ServerClock
  bootId: string
  uptimeSeconds: number
}): Facts {
  const held = [...desk.values()]
  const running = held.filter((one) => one.isRunning())
  return {
    agentVersion,
    uptimeSeconds,
    hostName: hostname(),
    bootId,
    platform: `${platform()} ${release()} ${arch()}`,
    memoryBytes: totalmem(),
    nodeVersion: process.version,
    running: running.slice(0, runningLimit).map(({ command }) => command.id),
    waiting: held.length - running.length,
    owed: journal.owedCount(),
    clockOffsetMs: Math.round(clock.offsetMs()),
  }
}
