import { spawnSync } from 'node:child_process'
import type { World } from '../../protocol/world.ts'
import type { GuestAgent, RunningAgent } from './guest-agent.ts'
import { type IdleCost, measureIdle } from './idle-cost.ts'
import { openOsCollectConfig } from './open-os-collect-config.ts'
import { openQemuGuestAgent } from './open-qemu-guest-agent.ts'
import { openSaharaAgent } from './open-sahara-agent.ts'
import type { Skipped } from './report.ts'

/** What one agent costs a guest that has nothing to do. */
export interface Footprint extends IdleCost {
  name: string
  packageBytes: number
  installedBytes: number
  /** From start to the first claim or poll, in milliseconds; empty for one that asks nobody. */
  starts: number[]
}

export interface FootprintSettings {
  directory: string
  /** Ready packages of our agent; built anew without. */
  packages?: string | undefined
  /** How often each is started. */
  starts: number
  /** How long all of them idle, beside each other. */
  idleMs: number
  world: World
}

/** After its start an agent has so long to come to rest, in milliseconds: os-collect-config's first rounds come quicker. */
const settleMs = 15_000

/**
 * Starts our agent and those of Debian's that are installed, in turns, and then lets all of them idle at once: whatever
 * else the machine does meets all alike.
 */
export async function measureFootprints(
  settings: FootprintSettings,
): Promise<{ footprints: Footprint[]; skipped: Skipped[] }> {
  const { starts, idleMs, world } = settings
  await using opened = new AsyncDisposableStack()
  const { agents, skipped } = await openAll(settings, opened)
  const times = new Map(agents.map(({ name }): [string, number[]] => [name, []]))
  // The first start enrols, and fills the cache of compiled code, as it does in a guest.
  for (let round = 0; round <= starts; round += 1) {
    for (const { name, asks, start } of agents) {
      if (!asks) continue
      const running = await start()
      await running.stop()
      if (round > 0) times.get(name)?.push(running.startMs)
    }
  }
  const idling: { agent: GuestAgent; running: RunningAgent }[] = []
  for (const agent of agents) {
    const running = await agent.start()
    opened.defer(running.stop)
    idling.push({ agent, running })
  }
  await world.sleep(settleMs)
  const footprints = idling.map(async ({ agent, running }): Promise<Footprint> => {
    const { name, packageBytes, installedBytes } = agent
    const idle = await measureIdle(running.pid, idleMs, running.countRequests, world)
    return { name, packageBytes, installedBytes, starts: times.get(name) ?? [], ...idle }
  })
  return { footprints: await Promise.all(footprints), skipped }
}

async function openAll(
  settings: FootprintSettings,
  opened: AsyncDisposableStack,
): Promise<{ agents: GuestAgent[]; skipped: Skipped[] }> {
  const agents = [opened.use(await openSaharaAgent(settings.packages, settings))]
  const skipped: Skipped[] = []
  const others = [
    { program: 'qemu-ga', debian: 'qemu-guest-agent', open: openQemuGuestAgent },
    { program: 'os-collect-config', debian: 'os-collect-config', open: openOsCollectConfig },
  ]
  for (const { program, debian, open } of others) {
    if (isInstalled(program)) agents.push(opened.use(await open(settings)))
    else skipped.push({ side: debian, reason: `apt-get install ${debian}` })
  }
  return { agents, skipped }
}

function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}
