import { readdir, readFile } from 'node:fs/promises'
import type { World } from '../../protocol/world.ts'

/** What a process holds and uses while nobody asks anything of it. */
export interface IdleCost {
  rssBytes: number
  pssBytes: number
  anonymousBytes: number
  /** Processor time while idle, in milliseconds per ten minutes. */
  idleCpuMs: number
  /** Requests while idle, per hour. */
  idleRequests: number
}

/** Lets `idleMs` pass, and says what a process holds at their end, and used meanwhile. */
export async function measureIdle(
  pid: number,
  idleMs: number,
  countRequests: () => number,
  world: World,
): Promise<IdleCost> {
  const before = { cpuMs: await cpuMs(pid), requests: countRequests() }
  await world.sleep(idleMs)
  const perTenMinutes = 600_000 / idleMs
  return {
    ...(await memory(pid)),
    idleCpuMs: ((await cpuMs(pid)) - before.cpuMs) * perTenMinutes,
    idleRequests: (countRequests() - before.requests) * perTenMinutes * 6,
  }
}

/** All threads' time, from the scheduler: proc(5)'s `stat` counts in steps of 10 ms, too coarse for something idle. */
async function cpuMs(pid: number): Promise<number> {
  let total = 0
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const [nanoseconds = '0'] = (
      await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')
    ).split(' ')
    total += Number(nanoseconds) / 1e6
  }
  return total
}

async function memory(
  pid: number,
): Promise<Pick<IdleCost, 'rssBytes' | 'pssBytes' | 'anonymousBytes'>> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024
  return { rssBytes: bytes('Rss'), pssBytes: bytes('Pss'), anonymousBytes: bytes('Anonymous') }
}
