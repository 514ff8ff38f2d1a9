import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { debianSizes } from './debian-sizes.ts'
import type { Bench, GuestAgent } from './guest-agent.ts'

/** Debian's qemu-guest-agent on a Unix socket. It asks nobody: its host reaches into the guest. */
export async function openQemuGuestAgent({ directory }: Bench): Promise<GuestAgent> {
  const state = join(directory, 'qemu-ga')
  await mkdir(state, { recursive: true })
  const flags = ['--method=unix-listen', `--path=${state}/socket`, `--statedir=${state}`]
  return {
    name: 'qemu-guest-agent',
    asks: false,
    ...(await debianSizes('qemu-guest-agent')),
    start: async () => {
      const agent = spawn('qemu-ga', flags, { stdio: 'ignore' })
      const exited = once(agent, 'exit')
      await once(agent, 'spawn')
      return {
        pid: agent.pid ?? 0,
        startMs: 0,
        countRequests: () => 0,
        stop: async () => {
          agent.kill()
          await exited
        },
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}
