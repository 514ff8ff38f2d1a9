import { readFileSync } from 'node:fs'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endRunner } from '../system/end-runner.ts'
import type { ChaosCluster, ChaosGuest } from './chaos-cluster.ts'
import type { Disturbances } from './disturbances.ts'
import type { PlannedFault } from './fault.ts'

/** Longer than a claim, in milliseconds: what a killed claimer held comes back. */
export const claimOverMs = 65_000

/**
 * Lets a fault happen; resolves when it is over. Faults of the network are over when the proxy is armed.
 *
 * | kind | what happens |
 * | --- | --- |
 * | kill-… | SIGKILL; the program is started again a moment later (the runner by its agent) |
 * | reboot | agent and runner are killed, and the boot id is another one when the agent starts again |
 * | queue-clock | the queue's clock jumps ahead by more than a claim's life: all claims end, whoever holds them |
 * | agent-clock | an agent's wall clock jumps to within a day of the right time |
 * | full-disk | the disk with the agent's state has no byte left for a while |
 */
export async function carryOutFault(
  fault: PlannedFault,
  cluster: ChaosCluster,
  disturbances: Disturbances,
): Promise<void> {
  const { kind, instance, side, strength } = fault
  const guest = cluster.guests[instance]
  if (!guest) throw new Error(`there is no instance ${instance}`)
  switch (kind) {
    case 'kill-agent': {
      const over = disturbances.begin('agent-killed', instance)
      await guest.agent.kill()
      return over()
    }
    case 'kill-runner': {
      const over = disturbances.begin('runner-killed', instance)
      await endRunner(guest.guest.stateDirectory)
      return over()
    }
    case 'reboot':
      return await reboot(guest, fault, disturbances)
    case 'kill-controller':
      return await cluster.controller.kill()
    case 'kill-queue':
      return await cluster.queue.restart()
    case 'queue-clock':
      return await cluster.queue.shift(claimOverMs)
    case 'agent-clock':
      await writeFile(guest.clockPath, String(Math.round((strength * 2 - 1) * 86_400_000)))
      return signal(guest.agent.pid())
    case 'full-disk':
      return await fillDisk(guest, fault, disturbances)
    case 'duplicate':
    case 'lose-request':
    case 'lose-answer':
    case 'delay':
    case 'reorder':
    case 'replay':
    case 'corrupt':
    case 'garble-answer':
    case 'slow':
    case 'half-open':
      cluster.proxies[side].arm({ ...fault, kind })
  }
}

async function reboot(
  { guest, agent, bootIdPath }: ChaosGuest,
  { instance, afterEnded }: PlannedFault,
  disturbances: Disturbances,
): Promise<void> {
  const over = disturbances.begin('rebooted', instance)
  await agent.kill(async () => {
    await endRunner(guest.stateDirectory)
    await writeFile(bootIdPath, `boot-after-${afterEnded}\n`)
  })
  over()
}

async function fillDisk(
  { guest: { stateDirectory } }: ChaosGuest,
  { instance, strength }: PlannedFault,
  disturbances: Disturbances,
): Promise<void> {
  const over = disturbances.begin('disk-full', instance)
  const ballast = join(stateDirectory, 'ballast')
  const { bavail, bsize } = await statfs(stateDirectory)
  await writeFile(ballast, Buffer.alloc(bavail * bsize)).catch(ignoreFull)
  // What was freed meanwhile.
  await writeFile(join(stateDirectory, 'ballast-2'), Buffer.alloc(2 ** 20)).catch(ignoreFull)
  await sleep(500 + strength * 2000)
  await rm(ballast, { force: true })
  await rm(join(stateDirectory, 'ballast-2'), { force: true })
  // What ran into it may end a little later.
  await sleep(2000)
  over()
}

function ignoreFull(error: unknown): void {
  if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return
  throw error
}

/** An agent that was just killed, or has just been started, reads its clock at its start; the signal would end it before that. */
function signal(pid: number): void {
  try {
    const caught = /^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    const listens =
      (BigInt(`0x${caught ?? 0}`) & (1n << BigInt(constants.signals.SIGUSR2 - 1))) !== 0n
    if (listens) process.kill(pid, 'SIGUSR2')
  } catch {
    // It is being started again.
  }
}
