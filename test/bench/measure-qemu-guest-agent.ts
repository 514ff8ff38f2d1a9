import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { World } from '../../protocol/world.ts'
import { debianSizes } from './debian-sizes.ts'
import { type Footprint, measureIdle } from './idle-cost.ts'

/** Measures Debian's qemu-guest-agent on a Unix socket. It asks nobody: its host reaches into the guest. */
export async function measureQemuGuestAgent(
  directory: string,
  idleMs: number,
  world: World,
): Promise<Footprint> {
  const state = join(directory, 'qemu-ga')
  await mkdir(state, { recursive: true })
  const flags = ['--method=unix-listen', `--path=${state}/socket`, `--statedir=${state}`]
  const agent = spawn('qemu-ga', flags, { stdio: 'ignore' })
  const exited = once(agent, 'exit')
  await world.sleep(2_000)
  try {
    const idle = await measureIdle(agent.pid ?? 0, idleMs, () => 0, world)
    return { name: 'qemu-guest-agent', ...(await debianSizes('qemu-guest-agent')), ...idle }
  } finally {
    agent.kill()
    await exited
  }
}
